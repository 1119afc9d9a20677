package parameters_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/parameters"
)

const schema = `{"type":"object","required":["realm"],"properties":{
	"realm":{"type":"string","default":"health"},
	"levels":{"type":"integer","minimum":1,"maximum":8},
	"mail":{"type":"object","properties":{"host":{"type":"string","default":"localhost"}}}}}`

func TestResolve_fillsDefaults(t *testing.T) {
	got, err := parameters.Resolve([]byte(schema), []byte(`{"levels":4,"mail":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"realm": "health", "levels": int64(4), "mail": map[string]any{"host": "localhost"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestResolve_namesTheParameter(t *testing.T) {
	for name, tc := range map[string]struct{ given, want string }{
		"unknown":      {`{"level":4}`, `parameter "level" is unknown; known are levels, mail, realm`},
		"out of range": {`{"levels":9}`, `parameter "levels": maximum: got 9, want 8`},
		"wrong type":   {`{"levels":"four"}`, `parameter "levels": got string, want integer`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parameters.Resolve([]byte(schema), []byte(tc.given))
			if err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestResolve_withoutSchemaKnowsNone(t *testing.T) {
	if _, err := parameters.Resolve(nil, []byte(`{"a":1}`)); err == nil {
		t.Error("accepted")
	}
}
