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
}

// Ensure returns the data a Secret should have and whether that differs from the existing data. Generated values that
// exist are never touched, keys that no one asked for stay.
func Ensure(existing map[string][]byte, wanted []Key) (map[string][]byte, bool, error) {
	data := make(map[string][]byte, len(existing)+len(wanted))
	maps.Copy(data, existing)
	changed := false
	for _, key := range wanted {
		current, exists := data[key.Name]
		switch {
		case key.Value != nil && (!exists || string(current) != *key.Value):
			data[key.Name] = []byte(*key.Value)
			changed = true
		case key.Value == nil && len(current) == 0:
			generated, err := Generate(key.Length)
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
