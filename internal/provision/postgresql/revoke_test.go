package postgresql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

func revoke(t *testing.T, task provision.Task, policy provision.DataPolicy) provision.Result {
	t.Helper()
	task.Request.DataPolicy = policy
	task.Request.Action = provision.ActionRevoke
	// The consumer's Secret may be gone by now.
	task.Credentials, task.Request.Outputs, task.Request.Parameters = nil, nil, nil
	report, err := Server{}.Revoke(testContext(t), task)
	mustBeDone(t, provision.ActionRevoke, report, err)
	return provision.Conclude(task.Request, report, err)
}

func TestRevoke_locksAndKeepsDataForTheNextOfThatName(t *testing.T) {
	task := ehrbase("kept")
	mustProvision(t, task)
	before := snapshot(t, "kept")
	owner := connect(t, "kept", "kept_a", task.Credentials["password"])
	mustExec(t, owner, "CREATE TABLE ehr.record (id int)", "INSERT INTO ehr.record VALUES (42)")

	result := revoke(t, task, provision.RetainData)
	if result.Reason != provision.ReasonRetained || !strings.Contains(result.Message, "database kept is kept") {
		t.Errorf("got %s: %q", result.Reason, result.Message)
	}
	if owner.Ping(testContext(t)) == nil {
		t.Error("a session outlived the revocation")
	}
	report, err := Server{}.Verify(testContext(t), consumerOnly(task))
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
	if result := revoke(t, task, ""); result.Reason != provision.ReasonRetained {
		t.Errorf("a second revocation ended with %s", result.Reason)
	}

	stranger := again(task)
	stranger.Request.Binding.Namespace = "justice"
	report, err = Server{}.Provision(testContext(t), stranger)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonForeignObject)

	next := again(task)
	next.Credentials["password"] = "of the next"
	mustProvision(t, next)
	t.Cleanup(func() { remove(t, next) })
	mustVerify(t, next)
	var id int
	if err := connect(t, "kept", "kept_a", "of the next").QueryRow(testContext(t), "SELECT id FROM ehr.record").Scan(&id); err != nil || id != 42 {
		t.Errorf("the record is %d, %v", id, err)
	}
	mustExec(t, superuser(t, "kept"), "DROP TABLE ehr.record")
	if diff := cmp.Diff(strings.ReplaceAll(before, "uid-of-NAME", "uid-of-the-next"), snapshot(t, "kept")); diff != "" {
		t.Errorf("adopted, it differs from new (-new +adopted):\n%s", diff)
	}
	if result := revoke(t, task, provision.DeleteData); !strings.Contains(result.Message, "nothing of this binding") {
		t.Errorf("the old binding still had something: %q", result.Message)
	}
}

func TestRevoke_killedAfterAnyMessageAndRunAgainEndsTheSame(t *testing.T) {
	for _, policy := range []provision.DataPolicy{provision.RetainData, provision.DeleteData} {
		reference := ehrbase("revoked")
		reference.Request.DataPolicy = policy
		mustProvision(t, reference)
		watch := &fuse{}
		if _, err := (Server{dial: watch.dial}).Revoke(testContext(t), reference); err != nil {
			t.Fatal(err)
		}
		want := snapshot(t, "revoked")
		remove(t, reference)
		if policy == provision.DeleteData && want != "" {
			t.Fatalf("something is left:\n%s", want)
		}
		kills := effects(watch.sent)
		if len(kills) < 8 {
			t.Fatalf("only %d messages change anything, the test proves little", len(kills))
		}
		for _, messages := range kills {
			name := fmt.Sprintf("revoked%s%03d", strings.ToLower(string(policy[:6])), messages)
			task := ehrbase(name)
			task.Request.DataPolicy = policy
			mustProvision(t, task)
			broken := &fuse{messages: messages}
			_, _ = Server{dial: broken.dial}.Revoke(testContext(t), task)
			if !broken.blown {
				t.Fatalf("%s: not killed after message %d", policy, messages)
			}
			revoke(t, task, policy)
			if diff := cmp.Diff(want, snapshot(t, name)); diff != "" {
				t.Fatalf("%s: killed after message %d, then run again (-want +got):\n%s", policy, messages, diff)
			}
			remove(t, task)
		}
		t.Logf("%s: killed after each of %d messages with an effect, of %d", policy, len(kills), len(watch.sent))
	}
}

func TestRevoke_removesWhatAKilledProvisioningLeft(t *testing.T) {
	for messages := 20; ; messages += 9 {
		task := ehrbase("halfway")
		broken := &fuse{messages: messages}
		_, err := Server{dial: broken.dial}.Provision(testContext(t), task)
		revoke(t, task, provision.DeleteData)
		if left := snapshot(t, "halfway"); left != "" {
			t.Fatalf("provisioning was killed after message %d; left:\n%s", messages, left)
		}
		if err == nil && !broken.blown {
			return
		}
	}
}
