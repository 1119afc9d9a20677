package oidc

import (
	"crypto/rand"
	"encoding/json"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

const (
	// signatures is how a client asks to prove itself by them instead of by a secret (OpenID Connect Core 1.0, section 9).
	signatures = "private_key_jwt"
	// assertionType is that of RFC 7523, section 2.2.
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// assertionLife is short: an assertion is used at once.
	assertionLife = time.Minute
)

// proof is what a client shows: a secret, or what it signs with a key.
type proof struct {
	secret string
	key    *jose.JSONWebKey
}

func newProof(task provision.Task, asked clientParameters) (proof, error) {
	if asked.Authentication != signatures {
		shown := proof{secret: task.Credentials["client-secret"]}
		if shown.secret == "" || task.Value("client-id") == "" {
			return shown, provision.Failed(provision.ReasonInvalidRequest, "the binding's Secret needs the keys client-id and client-secret")
		}
		return shown, nil
	}
	var key jose.JSONWebKey
	// The error might quote the key.
	if err := json.Unmarshal([]byte(task.Credentials["private-key"]), &key); err != nil || key.IsPublic() || !key.Valid() || task.Value("client-id") == "" {
		return proof{}, provision.Failed(provision.ReasonInvalidRequest, "the binding's Secret needs the keys client-id and private-key, the latter a JSON Web Key")
	}
	return proof{key: &key}, nil
}

// assertion are the fields that say, signed, who the client is. It is made out to the issuer by name, which all issuers accept,
// and is good for one request.
func (i issuer) assertion(id string, key jose.JSONWebKey) (url.Values, error) {
	algorithm := jose.SignatureAlgorithm(key.Algorithm)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the private-key cannot sign with %q", algorithm)
	}
	now := time.Now()
	claims := jwt.Claims{
		Issuer: id, Subject: id, Audience: jwt.Audience{i.metadata.Issuer}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(assertionLife)),
	}
	signed, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the private-key does not sign")
	}
	return url.Values{"client_assertion_type": {assertionType}, "client_assertion": {signed}}, nil
}
