package credentials_test

import (
	"testing"

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
