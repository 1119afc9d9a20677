package kafka

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// turned has both logins of a binding, the second in force.
func turned(t *testing.T, name string) (old, next provision.Task) {
	t.Helper()
	old = orders(name)
	mustProvision(t, old)
	next = handed(old, map[string]string{"username": "trade." + name + ".b"})
	next.Credentials = provision.Secrets{"password": "the next one"}
	mustProvision(t, next)
	if has := snapshot(t, name); !strings.Contains(has, "login trade.NAME.a") || !strings.Contains(has, "login trade.NAME.b") {
		t.Fatalf("there are not two logins, the test proves nothing:\n%s", has)
	}
	next.Request.Retired = map[string]string{"username": "trade." + name + ".a"}
	return old, next
}

func TestRetire_killedAfterAnyEffectAndRunAgainEndsTheSame(t *testing.T) {
	watch := &fuse{}
	_, reference := turned(t, "turned")
	if _, err := (Server{dial: watch.dial}).Retire(testContext(t), reference); err != nil {
		t.Fatal(err)
	}
	want := snapshot(t, "turned")
	if strings.Contains(want, "trade.NAME.a") || !strings.Contains(want, "login trade.NAME.b") || len(watch.sent) < 2 {
		t.Fatalf("sent %s and left:\n%s", watch.sent, want)
	}
	for kill := range len(watch.sent) {
		name := fmt.Sprintf("turned%02d", kill)
		old, next := turned(t, name)
		broken := &fuse{left: kill + 1}
		_, _ = Server{dial: broken.dial}.Retire(testContext(t), next)
		if !broken.blown {
			t.Fatalf("not killed after effect %d", kill)
		}
		// The consumer works on, whenever that happens.
		mustVerify(t, next)
		produce(t, next, "amid the retirement")
		again := &fuse{}
		report, err := Server{dial: again.dial}.Retire(testContext(t), next)
		mustEnd(t, report, err, provision.PhaseDone, "")
		if diff := cmp.Diff(want, snapshot(t, name)); diff != "" {
			t.Fatalf("killed after effect %d (%s), then run again (-want +got):\n%s", kill, watch.sent[kill], diff)
		}
		if len(again.sent) != len(watch.sent)-kill-1 {
			t.Errorf("killed after effect %d (%s), the next run sent %s", kill, watch.sent[kill], again.sent)
		}
		report, err = Server{}.Verify(testContext(t), old)
		mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
		mustVerify(t, next)
		mustRevoke(t, next, provision.DeleteData)
	}
	again := &fuse{}
	if _, err := (Server{dial: again.dial}).Retire(testContext(t), reference); err != nil || len(again.sent) > 0 {
		t.Errorf("a further run sent %s, %v", again.sent, err)
	}
	mustRevoke(t, reference, provision.DeleteData)
	t.Logf("killed after each of %d requests with an effect", len(watch.sent))
}

// A binding has two logins at most, and a revocation takes both, whether or not it is told that one of them is being replaced.
func TestRevoke_amidARotationTakesBothLoginsKilledAfterAnyEffect(t *testing.T) {
	watch := &fuse{}
	_, reference := turned(t, "both")
	reference.Request.DataPolicy = provision.DeleteData
	if _, err := (Server{dial: watch.dial}).Revoke(testContext(t), reference); err != nil {
		t.Fatal(err)
	}
	if left := snapshot(t, "both"); left != "" || len(watch.sent) < 6 {
		t.Fatalf("sent %s and left:\n%s", watch.sent, left)
	}
	for kill := range len(watch.sent) {
		name := fmt.Sprintf("both%02d", kill)
		_, next := turned(t, name)
		next.Credentials, next.Request.DataPolicy = nil, provision.DeleteData
		if kill%2 == 0 {
			next.Request.Retired = nil
		}
		broken := &fuse{left: kill + 1}
		_, _ = Server{dial: broken.dial}.Revoke(testContext(t), next)
		if !broken.blown {
			t.Fatalf("not killed after effect %d", kill)
		}
		mustRevoke(t, next, provision.DeleteData)
		if left := snapshot(t, name); left != "" {
			t.Fatalf("killed after effect %d (%s), then run again: left\n%s", kill, watch.sent[kill], left)
		}
	}
	t.Logf("killed after each of %d requests with an effect", len(watch.sent))
}
