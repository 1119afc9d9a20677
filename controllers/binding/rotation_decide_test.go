package binding

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func at(ago time.Duration) *metav1.Time { return new(metav1.NewTime(now.Add(-ago))) }

// settled is a binding that was provisioned and proved a minute ago, with credentials of version 2 that are an hour old.
func settled(change func(*v1alpha1.Binding)) *v1alpha1.Binding {
	object := &v1alpha1.Binding{
		Spec: v1alpha1.BindingSpec{
			Contract: "postgresql-v1", SecretName: "he-ehr-database", Provider: v1alpha1.BindingProvider{Component: "he-db", Provisioner: "postgresql"},
			Consumer: v1alpha1.BindingConsumer{Component: "he-ehr"},
			Outputs: []v1alpha1.BindingOutput{
				{Name: "username", Origin: v1alpha1.OriginDerived, Value: new("a"), Alternate: new("b")}, {Name: "password", Origin: v1alpha1.OriginGenerated},
			},
		},
		Status: v1alpha1.BindingStatus{
			Provisioned: "p", Verified: "v", VerifiedAt: at(time.Minute),
			Credentials: &v1alpha1.BindingCredentials{Version: 2, Since: *at(time.Hour), Requested: "monday"},
		},
	}
	object.Annotations = map[string]string{v1alpha1.RotateAtAnnotation: "monday"}
	change(object)
	return object
}

// rotating is one whose rotation to version 3 is in a phase; the switch was made ten minutes ago where it was.
func rotating(phase v1alpha1.RotationPhase, changes ...func(*v1alpha1.Binding)) *v1alpha1.Binding {
	return settled(func(b *v1alpha1.Binding) {
		b.Status.Rotation = &v1alpha1.BindingRotation{Number: 3, Phase: phase, StartedAt: *at(20 * time.Minute), Provisioned: "p"}
		if !isBeforeSwitch(phase) {
			b.Status.Credentials.Version, b.Status.Rotation.SwitchedAt = 3, at(10*time.Minute)
		}
		for _, change := range changes {
			change(b)
		}
	})
}

func exclusive(b *v1alpha1.Binding) { b.Spec.Outputs[0].Alternate = nil }

func TestDecide_rotation(t *testing.T) {
	installed := consumer{installed: true, ready: true, credentials: 3}
	for name, tc := range map[string]struct {
		object   *v1alpha1.Binding
		consumer consumer
		step     step
		act      rotationAct
		notReady bool
	}{
		"nothing asked":              {object: settled(func(*v1alpha1.Binding) {})},
		"asked anew":                 {object: settled(func(b *v1alpha1.Binding) { b.Status.Credentials.Requested = "sunday" }), act: actBegin},
		"the request is withdrawn":   {object: settled(func(b *v1alpha1.Binding) { b.Annotations = nil })},
		"nothing known yet":          {object: settled(func(b *v1alpha1.Binding) { b.Status.Credentials = nil })},
		"younger than its age":       {object: settled(func(b *v1alpha1.Binding) { b.Spec.RotateAfter = &metav1.Duration{Duration: 2 * time.Hour} })},
		"of age":                     {object: settled(func(b *v1alpha1.Binding) { b.Spec.RotateAfter = &metav1.Duration{Duration: time.Hour} }), act: actBegin},
		"asked, but not proved":      {object: settled(func(b *v1alpha1.Binding) { b.Status.Credentials.Requested, b.Status.Verified = "", "" }), step: stepVerify, notReady: true},
		"asked, but not provisioned": {object: settled(func(b *v1alpha1.Binding) { b.Status.Credentials.Requested, b.Status.Provisioned = "", "" }), step: stepProvision, notReady: true},
		"asked, nothing to rotate":   {object: settled(func(b *v1alpha1.Binding) { b.Status.Credentials.Requested, b.Spec.Outputs = "", b.Spec.Outputs[:1] }), act: actRefuse},
		"of age, nothing to rotate": {object: settled(func(b *v1alpha1.Binding) {
			b.Spec.RotateAfter, b.Spec.Provider.Provisioner = &metav1.Duration{Duration: time.Hour}, ""
		})},
		"prepare":                           {object: rotating(v1alpha1.RotationPreparing), act: actPrepare},
		"provision":                         {object: rotating(v1alpha1.RotationProvisioning), step: stepStage},
		"prove":                             {object: rotating(v1alpha1.RotationVerifying), step: stepProve},
		"the wish changed before the proof": {object: rotating(v1alpha1.RotationVerifying, func(b *v1alpha1.Binding) { b.Status.Rotation.Provisioned = "old" }), act: actPrepareAgain},
		"switch":                            {object: rotating(v1alpha1.RotationSwitching), act: actSwitch},
		"the wish changed before the switch": {
			object: rotating(v1alpha1.RotationSwitching, func(b *v1alpha1.Binding) { b.Status.Rotation.Provisioned = "old" }), act: actPrepareAgain,
		},
		"the switch was made, and the pass died": {
			object: rotating(v1alpha1.RotationSwitching, func(b *v1alpha1.Binding) { b.Status.Credentials.Version = 3 }), act: actSwitch,
		},
		"an old view of a rotation that is further": {
			object: rotating(v1alpha1.RotationPreparing, func(b *v1alpha1.Binding) { b.Status.Credentials.Version = 3 }), act: actSwitch,
		},
		"another request meanwhile waits its turn": {
			object: rotating(v1alpha1.RotationVerifying, func(b *v1alpha1.Binding) { b.Annotations[v1alpha1.RotateAtAnnotation] = "tuesday" }), step: stepProve,
		},
		"the consumer has not rolled":        {object: rotating(v1alpha1.RotationRolling), consumer: consumer{installed: true, ready: true, credentials: 2}},
		"the consumer rolls":                 {object: rotating(v1alpha1.RotationRolling), consumer: consumer{installed: true, credentials: 3}},
		"the consumer has rolled":            {object: rotating(v1alpha1.RotationRolling), consumer: installed, act: actConfirm},
		"people may still fetch":             {object: rotating(v1alpha1.RotationRolling)},
		"people had their hour":              {object: rotating(v1alpha1.RotationRolling, func(b *v1alpha1.Binding) { b.Status.Rotation.SwitchedAt = at(time.Hour) }), act: actConfirm},
		"switched, not proved yet":           {object: rotating(v1alpha1.RotationRolling, func(b *v1alpha1.Binding) { b.Status.Verified = "older" }), consumer: installed, step: stepVerify},
		"switched, and the proof failed":     {object: rotating(v1alpha1.RotationRolling, func(b *v1alpha1.Binding) { b.Status.Verified = "" }), consumer: installed, step: stepVerify, notReady: true},
		"a proof is due while people fetch":  {object: rotating(v1alpha1.RotationRolling, func(b *v1alpha1.Binding) { b.Status.VerifiedAt = at(time.Hour) }), step: stepVerify},
		"confirm":                            {object: rotating(v1alpha1.RotationConfirming), consumer: installed, step: stepVerify},
		"retire":                             {object: rotating(v1alpha1.RotationRetiring), consumer: installed, step: stepRetire},
		"nothing to retire":                  {object: rotating(v1alpha1.RotationRetiring, exclusive), consumer: installed, act: actFinish},
		"one secret only, before it is set":  {object: rotating(v1alpha1.RotationPreparing, exclusive), act: actPrepare},
		"one secret only, being set":         {object: rotating(v1alpha1.RotationProvisioning, exclusive), step: stepStage, notReady: true},
		"one secret only, set":               {object: rotating(v1alpha1.RotationSwitching, exclusive), act: actSwitch, notReady: true},
		"one secret only, in force":          {object: rotating(v1alpha1.RotationRolling, exclusive)},
		"a failed attempt rests":             {object: rotating(v1alpha1.RotationPreparing, failed(-time.Second))},
		"a failed attempt has rested":        {object: rotating(v1alpha1.RotationPreparing, failed(time.Second)), act: actPrepare},
		"a proof is due while it rests":      {object: rotating(v1alpha1.RotationPreparing, failed(-time.Second), func(b *v1alpha1.Binding) { b.Status.VerifiedAt = at(time.Hour) }), step: stepVerify},
		"one secret only, after a failure":   {object: rotating(v1alpha1.RotationPreparing, exclusive, failed(-time.Second)), notReady: true},
		"a failed retirement keeps it ready": {object: rotating(v1alpha1.RotationRetiring, failed(-time.Second)), consumer: installed},
	} {
		t.Run(name, func(t *testing.T) {
			seen := observation{providerFound: true, providerReady: true, adminFound: true, provision: "p", verify: "v", consumer: tc.consumer}
			got := decide(tc.object, seen, now)
			if got.step != tc.step || got.rotation != tc.act || got.verdict.ready == tc.notReady {
				t.Errorf("got step %q, act %q, ready %v (%s)", got.step, got.rotation, got.verdict.ready, got.verdict.message)
			}
			if got.step == stepNone && got.rotation == "" {
				if result, err := got.outcome.Result(); err != nil || result.RequeueAfter <= 0 {
					t.Errorf("nothing ends the rest: %+v", result)
				}
			}
		})
	}
}

func failed(since time.Duration) func(*v1alpha1.Binding) {
	return func(b *v1alpha1.Binding) {
		b.Status.Rotation.Attempts, b.Status.Rotation.Failure, b.Status.Rotation.RetryAt = 1, "TimedOut", at(since)
	}
}

func TestInForce_followsTheSecret(t *testing.T) {
	output := v1alpha1.BindingOutput{Name: "username", Value: new("a"), Alternate: new("b")}
	for held, want := range map[string][2]string{"": {"a", "b"}, "a": {"a", "b"}, "b": {"b", "a"}, "c": {"a", "b"}} {
		data := map[string][]byte{"username": []byte(held)}
		if got := [2]string{*inForce(output, data), *notInForce(output, data)}; got != want {
			t.Errorf("with %q in the Secret: got %v, want %v", held, got, want)
		}
	}
}
