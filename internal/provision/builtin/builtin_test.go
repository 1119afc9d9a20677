package builtin_test

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/builtin"
)

const catalog = "../../../config/catalog"

func readAll(t *testing.T, pattern string, each func(name string, data []byte)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(catalog, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		each(filepath.Base(file), data)
	}
}

func TestFind_hasEveryHandlerTheCatalogueNames(t *testing.T) {
	readAll(t, "contracts/*.yaml", func(name string, data []byte) {
		var contract struct {
			Spec struct {
				Verification struct{ Method string }
			}
		}
		if err := yaml.Unmarshal(data, &contract); err != nil {
			t.Fatal(err)
		}
		if _, ok := builtin.Find(provision.ActionVerify, contract.Spec.Verification.Method); !ok {
			t.Errorf("%s: there is no method %q", name, contract.Spec.Verification.Method)
		}
	})
	readAll(t, "goods/*.yaml", func(name string, data []byte) {
		var good struct {
			Spec struct {
				Provides []struct{ Provisioner string }
			}
		}
		if err := yaml.Unmarshal(data, &good); err != nil {
			t.Fatal(err)
		}
		for _, provides := range good.Spec.Provides {
			if provides.Provisioner == "" {
				continue
			}
			for _, action := range []provision.Action{provision.ActionProvision, provision.ActionRevoke} {
				if _, ok := builtin.Find(action, provides.Provisioner); !ok {
					t.Errorf("%s: there is no provisioner %q for %s", name, provides.Provisioner, action)
				}
			}
		}
	})
}

// A contract whose outputs have alternates rotates by two credentials, of which the old one has to be retired.
func TestFind_retiresForEveryContractThatAlternates(t *testing.T) {
	alternating := map[string]bool{}
	readAll(t, "contracts/*.yaml", func(_ string, data []byte) {
		var contract struct {
			Metadata struct{ Name string }
			Spec     struct {
				Outputs []struct{ AlternateExpr string }
			}
		}
		if err := yaml.Unmarshal(data, &contract); err != nil {
			t.Fatal(err)
		}
		for _, output := range contract.Spec.Outputs {
			if output.AlternateExpr != "" {
				alternating[contract.Metadata.Name] = true
			}
		}
	})
	providers := 0
	readAll(t, "goods/*.yaml", func(name string, data []byte) {
		var good struct {
			Spec struct {
				Provides []struct{ Contract, Provisioner string }
			}
		}
		if err := yaml.Unmarshal(data, &good); err != nil {
			t.Fatal(err)
		}
		for _, provides := range good.Spec.Provides {
			if !alternating[provides.Contract] {
				continue
			}
			providers++
			if _, ok := builtin.Find(provision.ActionRetire, provides.Provisioner); !ok {
				t.Errorf("%s: the provisioner %q of %s cannot retire", name, provides.Provisioner, provides.Contract)
			}
		}
	})
	if providers == 0 {
		t.Error("no good provides a contract that alternates, the test proves nothing")
	}
}

func TestFind_doesNotKnowOthers(t *testing.T) {
	if _, ok := builtin.Find(provision.ActionVerify, builtin.PostgreSQL); ok {
		t.Error("a provisioner was taken for a method")
	}
}
