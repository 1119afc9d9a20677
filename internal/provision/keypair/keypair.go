package keypair

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// Outputs of the contract.
const (
	privateOutput = "private-key"
	publicOutput  = "public-key"
	jwkOutput     = "public-jwk"
)

// Blocks of PEM.
const (
	privateBlock = "PRIVATE KEY"
	publicBlock  = "PUBLIC KEY"
)

// algorithm is a kind of key.
type algorithm struct {
	generate func() (crypto.Signer, error)
	// matches tells whether a public key is of this kind.
	matches func(crypto.PublicKey) bool
}

var algorithms = map[string]algorithm{
	"RSA-2048": rsaOf(2048), "RSA-3072": rsaOf(3072), "RSA-4096": rsaOf(4096),
	"EC-P256": ecdsaOn(elliptic.P256()), "EC-P384": ecdsaOn(elliptic.P384()),
	"Ed25519": {
		generate: func() (crypto.Signer, error) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			return key, err
		},
		matches: func(key crypto.PublicKey) bool {
			_, ok := key.(ed25519.PublicKey)
			return ok
		},
	},
}

func rsaOf(bits int) algorithm {
	return algorithm{
		generate: func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, bits) },
		matches: func(key crypto.PublicKey) bool {
			public, ok := key.(*rsa.PublicKey)
			return ok && public.N.BitLen() == bits
		},
	}
}

func ecdsaOn(curve elliptic.Curve) algorithm {
	return algorithm{
		generate: func() (crypto.Signer, error) { return ecdsa.GenerateKey(curve, rand.Reader) },
		matches: func(key crypto.PublicKey) bool {
			public, ok := key.(*ecdsa.PublicKey)
			return ok && public.Curve == curve
		},
	}
}

func asked(task provision.Task) (algorithm, error) {
	var parameters struct {
		Algorithm string `json:"algorithm"`
	}
	if err := json.Unmarshal(task.Request.Parameters, &parameters); err != nil {
		return algorithm{}, provision.Failed(provision.ReasonInvalidRequest, "the parameters are not those of key-pair-v1: %w", err)
	}
	wanted, ok := algorithms[parameters.Algorithm]
	if !ok {
		return algorithm{}, provision.Failed(provision.ReasonInvalidRequest, "the algorithm %q is unknown; correct the binding's parameters", parameters.Algorithm)
	}
	return wanted, nil
}

// Provision makes a key pair, unless the binding's Secret has one of the algorithm: then it hands the same one back. One
// that was made by a run whose result never arrived was seen by no one.
func Provision(_ context.Context, task provision.Task) (provision.Report, error) {
	wanted, err := asked(task)
	if err != nil {
		return provision.Report{}, err
	}
	key, err := parsePrivate(task.Credentials[privateOutput])
	if err != nil || !wanted.matches(key.Public()) {
		if key, err = wanted.generate(); err != nil {
			return provision.Report{}, fmt.Errorf("make a key pair: %w", err)
		}
	}
	outputs, err := encode(key)
	if err != nil {
		return provision.Report{}, err
	}
	return provision.Report{Outputs: outputs, Message: "the key pair is made"}, nil
}

// Revoke has nothing to take away: the keys are in the binding's Secret only.
func Revoke(context.Context, provision.Task) (provision.Report, error) {
	return provision.Report{Message: "there is nothing to take away outside the binding's Secret"}, nil
}

// Verify proves that the keys belong together and are of the algorithm.
func Verify(_ context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	wanted, err := asked(task)
	if err != nil {
		return report, err
	}
	key, err := parsePrivate(task.Credentials[privateOutput])
	report.Check("private key", err)
	if err != nil {
		return report, nil //nolint:nilerr // the check says it
	}
	public, err := parsePublic(task.Value(publicOutput))
	report.Check("public key", err)
	if err != nil {
		return report, nil //nolint:nilerr // the check says it
	}
	var other error
	if !wanted.matches(key.Public()) {
		other = errors.New("the private key is of another kind than asked for")
	}
	report.Check("algorithm", other)
	report.Check("signature", proveSignature(key, public))
	report.Check("JSON Web Key", proveJWK(task.Value(jwkOutput), public))
	report.Message = "the keys belong together"
	return report, nil
}

func parsePrivate(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != privateBlock {
		return nil, fmt.Errorf("%s is no PEM block of type %s", privateOutput, privateBlock)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		// The error may quote what it read.
		return nil, fmt.Errorf("%s is no PKCS 8 key", privateOutput)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s cannot sign", privateOutput)
	}
	return signer, nil
}

func parsePublic(text string) (crypto.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != publicBlock {
		return nil, fmt.Errorf("%s is no PEM block of type %s", publicOutput, publicBlock)
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

func encode(key crypto.Signer) (map[string]string, error) {
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the private key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("encode the public key: %w", err)
	}
	web, err := jwk(key.Public())
	if err != nil {
		return nil, err
	}
	return map[string]string{
		privateOutput: string(pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: private})),
		publicOutput:  string(pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: public})),
		jwkOutput:     web,
	}, nil
}

func jwk(public crypto.PublicKey) (string, error) {
	key := jose.JSONWebKey{Key: public, Use: "sig"}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("name the public key: %w", err)
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	encoded, err := key.MarshalJSON()
	return string(encoded), err
}

func proveSignature(key crypto.Signer, public crypto.PublicKey) error {
	message := []byte("dpi-operator probe")
	digest := sha256.Sum256(message)
	signed, options := digest[:], crypto.SignerOpts(crypto.SHA256)
	if _, whole := public.(ed25519.PublicKey); whole {
		signed, options = message, crypto.Hash(0)
	}
	signature, err := key.Sign(rand.Reader, signed, options)
	if err != nil {
		return fmt.Errorf("the private key does not sign: %w", err)
	}
	holds := false
	switch public := public.(type) {
	case *rsa.PublicKey:
		holds = rsa.VerifyPKCS1v15(public, crypto.SHA256, signed, signature) == nil
	case *ecdsa.PublicKey:
		holds = ecdsa.VerifyASN1(public, signed, signature)
	case ed25519.PublicKey:
		holds = ed25519.Verify(public, signed, signature)
	}
	if !holds {
		return errors.New("what the private key signs does not hold under the public key")
	}
	return nil
}

func proveJWK(text string, public crypto.PublicKey) error {
	var key jose.JSONWebKey
	if err := json.Unmarshal([]byte(text), &key); err != nil {
		return fmt.Errorf("%s is no JSON Web Key", jwkOutput)
	}
	want, err := jwk(public)
	if err != nil {
		return err
	}
	if !key.IsPublic() {
		return fmt.Errorf("%s holds a private key", jwkOutput)
	}
	got, err := jwk(key.Key)
	if err != nil || got != want {
		return fmt.Errorf("%s is another key than %s", jwkOutput, publicOutput)
	}
	return nil
}
