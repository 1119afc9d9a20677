package naming_test

import (
	"strings"
	"testing"

	"github.com/dpi-operator/dpi-operator/internal/naming"
)

func TestJoin_keepsShortNamesAndHashesLongOnes(t *testing.T) {
	if got := naming.Join(naming.ObjectMax, "health", "fhir"); got != "health-fhir" {
		t.Errorf("short name changed: %q", got)
	}
	long := strings.Repeat("a", 40)
	one := naming.Join(naming.ReleaseMax, long, "component-one-of-many")
	two := naming.Join(naming.ReleaseMax, long, "component-two-of-many")
	if one == two {
		t.Errorf("different names collide: %q", one)
	}
	if len(one) > naming.ReleaseMax {
		t.Errorf("name of %d bytes exceeds %d", len(one), naming.ReleaseMax)
	}
}

func TestSQL_needsNoQuoting(t *testing.T) {
	if got := naming.SQL("Health-Exchange", "fhir", "database"); got != "health_exchange_fhir_database" {
		t.Errorf("got %q", got)
	}
	if got := naming.SQL(strings.Repeat("x-", 60)); len(got) > naming.SQLMax {
		t.Errorf("identifier of %d bytes", len(got))
	}
}
