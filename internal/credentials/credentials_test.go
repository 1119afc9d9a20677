package credentials_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/dpi-operator/dpi-operator/internal/credentials"
)

func TestEnsure_generatesOnceAndNeverOverwrites(t *testing.T) {
	wanted := []credentials.Key{{Name: "username", Value: new("postgres")}, {Name: "password", Length: 40}}
	first, changed, err := credentials.Ensure(nil, wanted)
	if err != nil || !changed {
		t.Fatalf("changed %v, %v", changed, err)
	}
	if string(first["username"]) != "postgres" || len(first["password"]) != 40 {
		t.Errorf("wrong shape: username %q, password of %d characters", first["username"], len(first["password"]))
	}
	second, changed, err := credentials.Ensure(first, wanted)
	if err != nil || changed {
		t.Fatalf("a second look changed something: %v, %v", changed, err)
	}
	if string(second["password"]) != string(first["password"]) {
		t.Error("the password was replaced")
	}
}

func TestEnsure_keepsFactsUpToDateAndForeignKeys(t *testing.T) {
	got, changed, err := credentials.Ensure(
		map[string][]byte{"host": []byte("old"), "note": []byte("mine")}, []credentials.Key{{Name: "host", Value: new("new")}})
	if err != nil || !changed || string(got["host"]) != "new" || string(got["note"]) != "mine" {
		t.Errorf("got %q, changed %v, %v", got, changed, err)
	}
}

func TestGenerate_differs(t *testing.T) {
	one, err := credentials.Generate(0)
	if err != nil {
		t.Fatal(err)
	}
	two, err := credentials.Generate(0)
	if err != nil {
		t.Fatal(err)
	}
	if one == two || len(one) != credentials.DefaultLength {
		t.Error("generated values repeat")
	}
}

func TestEnsure_makesAKeyPairOnceAndNeverShowsThePrivateHalf(t *testing.T) {
	for _, algorithm := range []string{"EC-P256", "EC-P384", "RSA-2048", "Ed25519"} {
		for _, form := range []credentials.Form{credentials.JWK, credentials.PEM} {
			wanted := []credentials.Key{
				{Name: "private-key", Algorithm: algorithm, Form: form},
				{Name: "public-jwk", PublicOf: "private-key", Form: credentials.JWK},
				{Name: "public-key", PublicOf: "private-key", Form: credentials.PEM},
			}
			first, changed, err := credentials.Ensure(nil, wanted)
			if err != nil || !changed {
				t.Fatalf("%s as %s: changed %v, %v", algorithm, form, changed, err)
			}
			var key jose.JSONWebKey
			if err := json.Unmarshal(first["public-jwk"], &key); err != nil || !key.IsPublic() || key.KeyID == "" || key.Algorithm == "" {
				t.Errorf("%s as %s: the public half is %s, %v", algorithm, form, first["public-jwk"], err)
			}
			if !strings.HasPrefix(string(first["public-key"]), "-----BEGIN PUBLIC KEY-----") {
				t.Errorf("%s as %s: the public half is %s", algorithm, form, first["public-key"])
			}
			if _, changed, err := credentials.Ensure(first, wanted); err != nil || changed {
				t.Errorf("%s as %s: a second look changed something: %v, %v", algorithm, form, changed, err)
			}
			delete(first, "public-jwk")
			mended, changed, err := credentials.Ensure(first, wanted)
			if err != nil || !changed || string(mended["private-key"]) != string(first["private-key"]) || len(mended["public-jwk"]) == 0 {
				t.Errorf("%s as %s: the public half is not put back: %v", algorithm, form, err)
			}
		}
	}
}

func TestEnsure_saysWhichKeyIsNoneAndNothingOfIt(t *testing.T) {
	for _, broken := range []string{"swordfish", "", `{"kty": "oct", "k": "c3dvcmRmaXNo"}`, "-----BEGIN PRIVATE KEY-----\nc3dvcmRmaXNo\n-----END PRIVATE KEY-----\n"} {
		_, _, err := credentials.Ensure(map[string][]byte{"private-key": []byte(broken)}, []credentials.Key{{Name: "public-jwk", PublicOf: "private-key", Form: credentials.JWK}})
		if !errors.Is(err, credentials.ErrNoKey) || !strings.Contains(err.Error(), "private-key") || strings.Contains(err.Error(), "fish") {
			t.Errorf("got %v", err)
		}
	}
}
