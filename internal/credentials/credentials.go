package credentials

import (
	"crypto/rand"
	"fmt"
	"maps"
	"math/big"
)

// alphabet is safe unquoted in URLs, SQL literals, shells, properties files and YAML. 62 characters give 5.95 bits each:
// 32 of them are stronger than a 128-bit key.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// DefaultLength of a generated secret in characters.
const DefaultLength = 32

// Key is one wanted key of a Secret.
type Key struct {
	// Name of the key.
	Name string
	// Value that is not secret; it is kept up to date. Nil means that the value is secret and generated once.
	Value *string
	// Length of a generated value in characters; 0 means DefaultLength.
	Length int
	// Algorithm makes the generated value a private key in the given form.
	Algorithm string
	// PublicOf makes the value the public half, in the given form, of the private key under that name, which is listed before.
	PublicOf string
	// Form of a key.
	Form Form
	// Request is what a request for a certificate asks for; for Form CSR.
	Request CertificateRequest
}

// generate makes a value that does not exist yet.
func (k Key) generate() (string, error) {
	if k.Algorithm != "" {
		return GenerateKey(k.Algorithm, k.Form)
	}
	return Generate(k.Length)
}

func (k Key) publicHalf(private string) (string, error) {
	if k.Form == CSR {
		return RequestCertificate(private, k.Request)
	}
	return PublicKey(private, k.Form)
}

// Ensure returns the data a Secret should have and whether that differs from the existing data. Generated values that
// exist are never touched, keys that no one asked for stay.
func Ensure(existing map[string][]byte, wanted []Key) (map[string][]byte, bool, error) {
	data := make(map[string][]byte, len(existing)+len(wanted))
	maps.Copy(data, existing)
	changed := false
	for _, key := range wanted {
		if key.PublicOf != "" {
			public, err := key.publicHalf(string(data[key.PublicOf]))
			if err != nil {
				return nil, false, fmt.Errorf("key %s: %w; correct or delete the Secret's key %s", key.Name, err, key.PublicOf)
			}
			key.Value = &public
		}
		current, exists := data[key.Name]
		switch {
		case key.Value != nil && (!exists || string(current) != *key.Value):
			data[key.Name] = []byte(*key.Value)
			changed = true
		case key.Value == nil && len(current) == 0:
			generated, err := key.generate()
			if err != nil {
				return nil, false, err
			}
			data[key.Name] = []byte(generated)
			changed = true
		}
	}
	return data, changed, nil
}

// Generate returns a random secret of that many characters.
func Generate(length int) (string, error) {
	if length <= 0 {
		length = DefaultLength
	}
	out := make([]byte, length)
	for i := range out {
		index, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return "", fmt.Errorf("generate a credential: %w", err)
		}
		out[i] = alphabet[index.Int64()]
	}
	return string(out), nil
}
