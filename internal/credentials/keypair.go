package credentials

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// Form is how a key is written down.
type Form string

// Forms.
const (
	// JWK is a JSON Web Key (RFC 7517) with its thumbprint (RFC 7638) as key id, and the algorithm it signs with.
	JWK Form = "jwk"
	// PEM is PKCS 8 for the private half, SubjectPublicKeyInfo for the public one.
	PEM Form = "pem"
	// CSR is a request for a certificate (PKCS 10), of a public half only.
	CSR Form = "csr"
)

// ErrNoKey is matched by errors about text that should be a private key and is not.
var ErrNoKey = errors.New("not a private key")

// kind is how keys of an algorithm are made, and what they sign with in JSON.
type kind struct {
	signature jose.SignatureAlgorithm
	generate  func() (crypto.Signer, error)
}

var kinds = map[string]kind{
	"EC-P256":  {jose.ES256, func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }},
	"EC-P384":  {jose.ES384, func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) }},
	"RSA-2048": {jose.RS256, func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }},
	"RSA-3072": {jose.RS256, func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 3072) }},
	"RSA-4096": {jose.RS256, func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 4096) }},
	"Ed25519": {jose.EdDSA, func() (crypto.Signer, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}},
}

// GenerateKey returns a new private key of the algorithm, one of those that the API lists.
func GenerateKey(algorithm string, form Form) (string, error) {
	wanted, ok := kinds[algorithm]
	if !ok {
		return "", fmt.Errorf("there are no keys of algorithm %q", algorithm)
	}
	key, err := wanted.generate()
	if err != nil {
		return "", fmt.Errorf("generate a key pair: %w", err)
	}
	if form == JWK {
		return web(key, key.Public(), wanted.signature)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("write a private key: %w", err)
	}
	return block("PRIVATE KEY", der), nil
}

// PublicKey returns the public half of a private key, whatever form that one has.
func PublicKey(private string, form Form) (string, error) {
	signer, algorithm, err := parse(private)
	if err != nil {
		return "", err
	}
	if form == JWK {
		return web(signer.Public(), signer.Public(), algorithm)
	}
	der, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return "", fmt.Errorf("write a public key: %w", err)
	}
	return block("PUBLIC KEY", der), nil
}

// parse reads a private key. Its errors repeat nothing of it.
func parse(text string) (crypto.Signer, jose.SignatureAlgorithm, error) {
	var key any
	if found, _ := pem.Decode([]byte(text)); found != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(found.Bytes)
		if err != nil {
			return nil, "", fmt.Errorf("%w of PKCS 8", ErrNoKey)
		}
		key = parsed
	} else {
		var parsed jose.JSONWebKey
		if err := json.Unmarshal([]byte(text), &parsed); err != nil || !parsed.Valid() {
			return nil, "", fmt.Errorf("%w, neither PEM nor a JSON Web Key", ErrNoKey)
		}
		key = parsed.Key
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, "", fmt.Errorf("%w that signs", ErrNoKey)
	}
	return signer, signatureOf(signer.Public()), nil
}

func signatureOf(public crypto.PublicKey) jose.SignatureAlgorithm {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P384() {
			return jose.ES384
		}
		return jose.ES256
	case ed25519.PublicKey:
		return jose.EdDSA
	default:
		return jose.RS256
	}
}

func web(key any, public crypto.PublicKey, algorithm jose.SignatureAlgorithm) (string, error) {
	out := jose.JSONWebKey{Key: key, Use: "sig", Algorithm: string(algorithm)}
	thumbprint, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("name a key: %w", err)
	}
	out.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	encoded, err := out.MarshalJSON()
	if err != nil {
		return "", fmt.Errorf("write a key: %w", err)
	}
	return string(encoded), nil
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
