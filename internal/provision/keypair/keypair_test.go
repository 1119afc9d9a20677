package keypair_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/keypair"
)

func task(algorithm string, secrets provision.Secrets) provision.Task {
	return provision.Task{Request: provision.Request{Parameters: []byte(`{"algorithm": "` + algorithm + `"}`)}, Credentials: secrets}
}

func makePair(t *testing.T, algorithm string, secrets provision.Secrets) provision.Secrets {
	t.Helper()
	report, err := keypair.Provision(t.Context(), task(algorithm, secrets))
	if err != nil {
		t.Fatal(err)
	}
	return report.Outputs
}

func verify(t *testing.T, algorithm string, secrets provision.Secrets) provision.Result {
	t.Helper()
	report, err := keypair.Verify(t.Context(), task(algorithm, secrets))
	return provision.Conclude(provision.Request{Action: provision.ActionVerify}, report, err)
}

func TestProvision_makesWhatIsProvedAndMakesItOnce(t *testing.T) {
	for _, algorithm := range []string{"RSA-2048", "RSA-3072", "EC-P256", "EC-P384", "Ed25519"} {
		made := makePair(t, algorithm, nil)
		if result := verify(t, algorithm, made); result.Phase != provision.PhaseDone || len(result.Checks) != 5 {
			t.Errorf("%s: %+v", algorithm, result)
		}
		if diff := cmp.Diff(made, makePair(t, algorithm, made)); diff != "" {
			t.Errorf("%s: the second run made other keys", algorithm)
		}
		if algorithm == "EC-P256" {
			continue
		}
		if other := makePair(t, "EC-P256", made); verify(t, "EC-P256", other).Phase != provision.PhaseDone {
			t.Errorf("another algorithm was asked for and not made")
		}
	}
}

func TestVerify_refusesWhatDoesNotBelongTogether(t *testing.T) {
	one, two := makePair(t, "EC-P256", nil), makePair(t, "EC-P256", nil)
	for key, want := range map[string]string{"private-key": "signature", "public-key": "signature", "public-jwk": "JSON Web Key"} {
		mixed := maps.Clone(one)
		mixed[key] = two[key]
		if result := verify(t, "EC-P256", mixed); result.Phase != provision.PhaseFailed || !strings.HasPrefix(result.Message, want) {
			t.Errorf("%s of another pair: %s %q", key, result.Phase, result.Message)
		}
		mixed[key] = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
		result := verify(t, "EC-P256", mixed)
		if result.Phase != provision.PhaseFailed || strings.Contains(result.Message, "c2VjcmV0") {
			t.Errorf("%s that is none: %s %q", key, result.Phase, result.Message)
		}
	}
	if result := verify(t, "RSA-2048", one); !strings.HasPrefix(result.Message, "algorithm") {
		t.Errorf("another algorithm: %+v", result)
	}
	if result := verify(t, "rot13", one); result.Reason != provision.ReasonInvalidRequest {
		t.Errorf("an unknown algorithm: %+v", result)
	}
	if !slices.Contains(slices.Collect(maps.Keys(one)), "public-jwk") || strings.Contains(one["public-jwk"], `"d"`) {
		t.Error("the JSON Web Key is missing or private")
	}
}
