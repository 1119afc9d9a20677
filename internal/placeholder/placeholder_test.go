package placeholder_test

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/placeholder"
)

var (
	password = placeholder.Reference{Secret: "shop-web-database", Key: "password"}
	token    = placeholder.Reference{Secret: "shop-web-mail", Key: "api.token_2-x"}
)

func TestText_survivesQuotingAndEncoding(t *testing.T) {
	for _, reference := range []placeholder.Reference{password, token} {
		if text := reference.Text(); !regexp.MustCompile(`^[a-z0-9]+$`).MatchString(text) {
			t.Errorf("%q is not only letters and digits", text)
		}
	}
}

func TestFind_amongOtherText(t *testing.T) {
	text := "postgres://u:" + password.Text() + "9abc@h/" + token.Text() + password.Text()
	if diff := cmp.Diff([]placeholder.Reference{password, token}, placeholder.Find(text)); diff != "" {
		t.Error(diff)
	}
	for _, other := range []string{"", "dpisecret1", "dpisecret19", "dpisecret1a9", "dpisecret1mzxw69 no slash in it"} {
		if found := placeholder.Find(other); len(found) > 0 {
			t.Errorf("%q: found %v", other, found)
		}
	}
}

func TestFindIn_looksEverywhere(t *testing.T) {
	data := map[string]any{
		"list": []any{map[string]any{"deep": "x" + token.Text()}, int64(3)}, password.Text(): true, "again": token.Text(),
	}
	if diff := cmp.Diff([]placeholder.Reference{password, token}, placeholder.FindIn(data)); diff != "" {
		t.Error(diff)
	}
}
