package kafka

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/kafka/kafkatest"
	"github.com/dpi-operator/dpi-operator/internal/provision/servertest"
)

func TestProvision_killedAfterAnyEffectAndRunAgainEndsTheSame(t *testing.T) {
	watch := &fuse{}
	reference := orders("reference")
	if _, err := (Server{dial: watch.dial}).Provision(testContext(t), reference); err != nil {
		t.Fatal(err)
	}
	mustVerify(t, reference)
	want := snapshot(t, "reference")
	for _, expected := range []string{"topic trade.NAME 2", "setting trade.NAME retention.ms=3600000", "login trade.NAME.a", "rule DPIBinding:trade/NAME/uid-of-NAME TOPIC trade.NAME LITERAL DESCRIBE ALLOW"} {
		if !strings.Contains(want, expected) {
			t.Fatalf("the reference lacks %q:\n%s", expected, want)
		}
	}
	if len(watch.sent) < 10 {
		t.Fatalf("only %s were sent, the test proves little", watch.sent)
	}
	for kill := range len(watch.sent) {
		name := fmt.Sprintf("killed%02d", kill)
		task, broken := orders(name), &fuse{left: kill + 1}
		if _, err := (Server{dial: broken.dial}).Provision(testContext(t), task); err == nil || !broken.blown {
			t.Fatalf("not killed after effect %d: %v", kill, err)
		}
		mustProvision(t, task)
		if diff := cmp.Diff(want, snapshot(t, name)); diff != "" {
			t.Fatalf("killed after effect %d (%s), then run again (-want +got):\n%s", kill, watch.sent[kill], diff)
		}
		mustRevoke(t, task, provision.DeleteData)
	}
	again := &fuse{}
	if _, err := (Server{dial: again.dial}).Provision(testContext(t), reference); err != nil || len(again.sent) > 0 {
		t.Errorf("a second run sent %s, %v", again.sent, err)
	}
	mustRevoke(t, reference, provision.DeleteData)
	if left := snapshot(t, "reference"); left != "" {
		t.Errorf("left:\n%s", left)
	}
	t.Logf("killed after each of %d requests with an effect", len(watch.sent))
}

func TestRevoke_killedAfterAnyEffectAndRunAgainEndsTheSame(t *testing.T) {
	for _, policy := range []provision.DataPolicy{provision.RetainData, provision.DeleteData} {
		watch, reference := &fuse{}, orders("revoked")
		mustProvision(t, reference)
		reference.Request.DataPolicy = policy
		if _, err := (Server{dial: watch.dial}).Revoke(testContext(t), reference); err != nil {
			t.Fatal(err)
		}
		want := snapshot(t, "revoked")
		if (want == "") != (policy == provision.DeleteData) || len(watch.sent) < 4 {
			t.Fatalf("%s sent %s and left:\n%s", policy, watch.sent, want)
		}
		mustRevoke(t, reference, provision.DeleteData)
		for kill := range len(watch.sent) {
			name := fmt.Sprintf("gone%s%02d", strings.ToLower(string(policy[:6])), kill)
			task, broken := orders(name), &fuse{left: kill + 1}
			mustProvision(t, task)
			task.Request.DataPolicy = policy
			_, _ = Server{dial: broken.dial}.Revoke(testContext(t), task)
			if !broken.blown {
				t.Fatalf("%s: not killed after effect %d", policy, kill)
			}
			mustRevoke(t, task, policy)
			if diff := cmp.Diff(want, snapshot(t, name)); diff != "" {
				t.Fatalf("%s: killed after effect %d (%s), then run again (-want +got):\n%s", policy, kill, watch.sent[kill], diff)
			}
			mustRevoke(t, task, provision.DeleteData)
		}
		t.Logf("%s: killed after each of %d requests with an effect", policy, len(watch.sent))
	}
}

func TestProvision_leavesTopicsOfOthersAlone(t *testing.T) {
	if _, err := root(t).CreateTopic(testContext(t), 1, 1, nil, "by-hand"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := root(t).DeleteTopic(context.Background(), "by-hand"); err != nil {
			t.Error(err)
		}
	})
	asked := parameters{Topic: "by-hand", Partitions: 1, Access: accessRead}
	report, err := Server{}.Provision(testContext(t), newTask("intruder", asked))
	result := mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonForeignObject)
	if !strings.Contains(result.Message, "was not made by a binding") {
		t.Errorf("it says %q", result.Message)
	}

	owner := newTask("owner", parameters{Topic: "owned", Partitions: 1, Access: accessReadWrite})
	mustProvision(t, owner)
	stranger := newTask("stranger", parameters{Topic: "owned", Partitions: 1, Access: accessRead})
	stranger.Request.Binding.Namespace = "justice"
	stranger = handed(stranger, map[string]string{"username": ownLogins(stranger.Request.Binding)[0]})
	report, err = Server{}.Provision(testContext(t), stranger)
	result = mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonForeignObject)
	if !strings.Contains(result.Message, "belongs to binding trade/owner (uid uid-of-owner)") {
		t.Errorf("it says %q", result.Message)
	}
	mustRevoke(t, stranger, provision.DeleteData)
	mustRevoke(t, newTask("intruder", asked), provision.DeleteData)
	mustVerify(t, owner)
	if _, exists, err := root(t).topic(testContext(t), "by-hand"); err != nil || !exists {
		t.Errorf("the topic of somebody else is gone: %v", err)
	}
}

func TestProvision_bindingsOfANamespaceShareATopic(t *testing.T) {
	writer := newTask("writer", parameters{Topic: "shared", Partitions: 1, Access: accessWrite, Config: map[string]string{"retention.ms": "60000"}})
	reader := newTask("reader", parameters{Topic: "shared", Partitions: 3, Access: accessRead})
	mustProvision(t, writer)
	mustProvision(t, reader)
	mustVerify(t, writer)
	mustVerify(t, reader)
	wide := reader
	wide.Request.Parameters = []byte(`{"topic": "shared", "partitions": 1, "access": "readwrite"}`)
	report, err := Server{}.Verify(testContext(t), wide)
	if result := mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCheckFailed); !strings.Contains(result.Message, "may not write") {
		t.Errorf("it says %q", result.Message)
	}
	odd := newTask("odd", parameters{Topic: "shared", Partitions: 1, Access: accessRead, Config: map[string]string{"retention.ms": "1"}})
	report, err = Server{}.Provision(testContext(t), odd)
	mustEnd(t, report, err, provision.PhaseFailed, ReasonSettingRefused)
	mustRevoke(t, odd, provision.DeleteData)

	if result := mustRevoke(t, writer, provision.DeleteData); !strings.Contains(result.Message, "binding reader has it too") {
		t.Errorf("it says %q", result.Message)
	}
	mustVerify(t, reader)
	report, err = Server{}.Verify(testContext(t), writer)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
	mustRevoke(t, reader, provision.DeleteData)
	if left := snapshot(t, "shared"); left != "" {
		t.Errorf("left:\n%s", left)
	}
}

func TestProvision_takesOverWhatWasRetained(t *testing.T) {
	task := orders("kept")
	mustProvision(t, task)
	produce(t, task, "first")
	if result := mustRevoke(t, task, provision.RetainData); result.Reason != provision.ReasonRetained {
		t.Errorf("ended with %s", result.Reason)
	}
	next := orders("kept")
	next.Request.Binding.UID = "uid-of-the-next"
	mustProvision(t, next)
	mustVerify(t, next)
	produce(t, next, "second")
	offsets, err := root(t).ListEndOffsets(testContext(t), "trade.kept")
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	offsets.Each(func(o kadm.ListedOffset) { total += o.Offset })
	if total != 2 {
		t.Errorf("the topic has %d records, want the old and the new one", total)
	}
	if strings.Contains(snapshot(t, "kept"), retainedType) {
		t.Error("the old mark is still there")
	}
	mustRevoke(t, next, provision.DeleteData)
}

// produce writes a record as the consumer of the binding would.
func produce(t *testing.T, task provision.Task, text string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(task.Value("bootstrap-servers")),
		kgo.SASL(scram.Auth{User: task.Value("username"), Pass: task.Credentials["password"]}.AsSha512Mechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(testContext(t), &kgo.Record{Topic: task.Value("topic"), Value: []byte(text)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestRotation_bothLoginsWorkUntilTheOldOneIsRetired(t *testing.T) {
	old := orders("rotated")
	mustProvision(t, old)
	next := handed(old, map[string]string{"username": "trade.rotated.b"})
	next.Credentials = provision.Secrets{"password": "the next one"}
	mustProvision(t, next)
	produce(t, old, "by the old")
	produce(t, next, "by the new")
	next.Request.Retired = map[string]string{"username": "trade.rotated.a"}
	unproved := next
	unproved.Credentials = provision.Secrets{"password": "not the next one"}
	report, err := Server{}.Retire(testContext(t), unproved)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
	produce(t, old, "still by the old")
	for range 2 {
		report, err = Server{}.Retire(testContext(t), next)
		mustEnd(t, report, err, provision.PhaseDone, "")
	}
	report, err = Server{}.Verify(testContext(t), old)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
	mustVerify(t, next)
	mustRevoke(t, next, provision.DeleteData)
}

func TestProvision_changesWhatMayChange(t *testing.T) {
	mustProvision(t, newTask("grown", parameters{Partitions: 1, Access: accessReadWrite}))
	grown := newTask("grown", parameters{Partitions: 4, Access: accessRead, Config: map[string]string{"cleanup.policy": "compact"}})
	report, err := Server{}.Verify(testContext(t), grown)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCheckFailed)
	grown.Credentials["password"] = "another"
	mustProvision(t, grown)
	mustVerify(t, grown)
	if rights := snapshot(t, "grown"); strings.Contains(rights, "WRITE") {
		t.Errorf("a right that is not asked for any more stayed:\n%s", rights)
	}
	for asked, reason := range map[string]string{
		`{"partitions": 4, "access": "read", "config": {"cleanup.policy": "burn"}}`: ReasonSettingRefused,
		`{"partitions": 4, "access": "read", "config": {"no.such.thing": "1"}}`:     ReasonSettingRefused,
		`{"partitions": 0, "access": "read"}`:                                       provision.ReasonInvalidRequest,
		`{"partitions": 1, "access": "own"}`:                                        provision.ReasonInvalidRequest,
		`{"partitions": 1, "access": "read", "colour": "red"}`:                      provision.ReasonInvalidRequest,
	} {
		task := grown
		task.Request.Parameters = []byte(asked)
		report, err := Server{}.Provision(testContext(t), task)
		mustEnd(t, report, err, provision.PhaseFailed, reason)
	}
	copies := newTask("copies", parameters{Partitions: 1, ReplicationFactor: 3, Access: accessRead})
	report, err = Server{}.Provision(testContext(t), copies)
	mustEnd(t, report, err, provision.PhaseFailed, ReasonSettingRefused)
	mustRevoke(t, copies, provision.DeleteData)
	mustRevoke(t, grown, provision.DeleteData)
}

func TestProvision_saysWhatIsWrongWithTheProvider(t *testing.T) {
	task := orders("unlucky")
	task.Admin = provision.Secrets{"username": kafkatest.Username, "password": "guessed wrong"}
	report, err := Server{}.Provision(testContext(t), task)
	result := mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonAdminCredentialRejected)
	if strings.Contains(fmt.Sprint(result), "guessed wrong") {
		t.Error("the result holds a password")
	}
	lowly := orders("lowly")
	mustProvision(t, lowly)
	task.Admin = provision.Secrets{"username": lowly.Request.Outputs["username"], "password": lowly.Credentials["password"]}
	report, err = Server{}.Provision(testContext(t), task)
	mustEnd(t, report, err, provision.PhaseFailed, ReasonNotPermitted)
	mustRevoke(t, lowly, provision.DeleteData)
	port, err := servertest.Port()
	if err != nil {
		t.Fatal(err)
	}
	task.Request.Endpoint.Port = port
	report, err = Server{}.Provision(testContext(t), task)
	mustEnd(t, report, err, provision.PhaseRetry, provision.ReasonProviderUnavailable)
}

func TestProvision_onAClusterWithoutAccessRules(t *testing.T) {
	open, err := kafkatest.StartOpen(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = open.Close() })
	at := func(task provision.Task) provision.Task {
		task.Request.Endpoint.Port, task.Admin, task.Credentials = open.Port, nil, nil
		return handed(task, map[string]string{"bootstrap-servers": servertest.Address(open.Port), "security-protocol": plaintext})
	}
	task := at(orders("open"))
	mustProvision(t, task)
	mustProvision(t, task)
	mustVerify(t, task)
	report, err := Server{}.Provision(testContext(t), at(newTask("named", parameters{Topic: "named", Partitions: 1, Access: accessRead})))
	mustEnd(t, report, err, provision.PhaseFailed, ReasonNotPermitted)
	if result := mustRevoke(t, task, provision.RetainData); result.Reason != provision.ReasonRetained {
		t.Errorf("ended with %s", result.Reason)
	}
	mustVerify(t, task)
	mustRevoke(t, task, provision.DeleteData)
	if result := mustRevoke(t, task, provision.DeleteData); !strings.Contains(result.Message, "nothing of this binding") {
		t.Errorf("it says %q", result.Message)
	}
}
