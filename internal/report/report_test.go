package report_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/report"
	"github.com/dpi-operator/dpi-operator/internal/wire"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func input() report.Input {
	return report.Input{
		ClusterID: "c", Interval: 24 * time.Hour, ObservedAt: noon,
		Goods: map[string]*v1alpha1.DigitalPublicGood{"ehrbase": {Spec: v1alpha1.DigitalPublicGoodSpec{
			Identity: v1alpha1.GoodIdentity{Repository: "https://github.com/ehrbase/ehrbase", BuildingBlocks: []v1alpha1.BuildingBlock{"digital-registries"}},
		}}},
		Deployment: &v1alpha1.DPIDeployment{
			ObjectMeta: metav1.ObjectMeta{Name: "he", Namespace: "moh-secret-place", Generation: 2},
			Spec: v1alpha1.DPIDeploymentSpec{Environment: v1alpha1.EnvironmentProduction, Reporting: &v1alpha1.Reporting{
				Organisation: v1alpha1.Organisation{URI: "https://health.example.org", Name: "Ministry of Health"}, Jurisdictions: []v1alpha1.Jurisdiction{"iso3166:KE"}, Stage: "pilot",
			}},
			Status: v1alpha1.DPIDeploymentStatus{
				Conditions: []metav1.Condition{{Type: "Ready", Status: "False", Reason: "ComponentNotReady", Message: "password=hunter2 at 10.0.0.1", LastTransitionTime: metav1.NewTime(noon)}},
				Components: []v1alpha1.ComponentSummary{{Name: "ehr", Good: "ehrbase", Version: "2.16.0", Ready: "False", Reason: "Unhealthy", Message: "db.internal.example.org refused admin@example.org"}},
			},
		},
	}
}

func TestSnapshot_isValidAndHoldsNoFreeText(t *testing.T) {
	snapshot := report.Snapshot(input())
	if broken := snapshot.Validate(); len(broken) > 0 {
		t.Fatal(broken)
	}
	data, err := json.Marshal(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", "10.0.0.1", "internal", "admin@", "moh-secret-place", "2.16.0"} {
		if strings.Contains(string(data), secret) {
			t.Errorf("%q leaves the cluster", secret)
		}
	}
	if snapshot.Components[0].Version != "2.16" || snapshot.State != wire.StateProgressing {
		t.Errorf("got %+v", snapshot)
	}
}

func TestDeploymentID_isStableAndTheOwnersIfChosen(t *testing.T) {
	in := input()
	one, two := report.DeploymentID(in.Deployment, "c"), report.DeploymentID(in.Deployment, "c")
	if one != two || one == report.DeploymentID(in.Deployment, "other") {
		t.Error("not stable, or the same in two clusters")
	}
	in.Deployment.Spec.Reporting.DeploymentID = "6d3b1f0e-52b7-4d3e-9a55-8e2f8a3c1f00"
	if got := report.DeploymentID(in.Deployment, "c"); got != in.Deployment.Spec.Reporting.DeploymentID {
		t.Errorf("got %s", got)
	}
}

func TestTheSameContentIsNoNews(t *testing.T) {
	var slot v1alpha1.ReportStatus
	first, err := wire.Digest(report.Snapshot(input()))
	if err != nil {
		t.Fatal(err)
	}
	if !report.Allocate(&slot, first, noon) || slot.Sequence != 1 {
		t.Fatalf("got %+v", slot)
	}
	later := input()
	later.ObservedAt = noon.Add(time.Hour)
	second, err := wire.Digest(report.Snapshot(later))
	if err != nil {
		t.Fatal(err)
	}
	if report.Allocate(&slot, second, noon.Add(time.Hour)) {
		t.Error("the same content got another sequence")
	}
	if !slot.ObservedAt.Time.Equal(noon) {
		t.Error("a re-delivery would carry another time")
	}
}

func TestSettle(t *testing.T) {
	cases := map[string]struct {
		answer       report.Answer
		wantOutcome  v1alpha1.ConditionReason
		wantSequence int64
		wantAck      int64
		wantIn       time.Duration
	}{
		"accepted":            {report.Answer{Status: 202}, v1alpha1.ReasonAcknowledged, 3, 3, 0},
		"unreachable":         {report.Answer{}, v1alpha1.ReasonRegistryUnavailable, 3, 0, 2500 * time.Millisecond},
		"stale":               {report.Answer{Status: 409, AcceptedSequence: 9}, v1alpha1.ReasonResynchronising, 10, 0, 0},
		"malformed":           {report.Answer{Status: 422}, v1alpha1.ReasonRejected, 3, 0, 24 * time.Hour},
		"redirect":            {report.Answer{Status: 302}, v1alpha1.ReasonRedirectRefused, 3, 0, 24 * time.Hour},
		"out of scope":        {report.Answer{Status: 403}, v1alpha1.ReasonOutOfScope, 3, 0, 24 * time.Hour},
		"slow down":           {report.Answer{Status: 429, RetryAfter: time.Minute}, v1alpha1.ReasonThrottled, 3, 0, time.Minute},
		"credential refused":  {report.Answer{Status: 401}, v1alpha1.ReasonUnauthenticated, 3, 0, 2500 * time.Millisecond},
		"removed by registry": {report.Answer{Status: 410}, v1alpha1.ReasonGone, 3, 0, 24 * time.Hour},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			slot := v1alpha1.ReportStatus{Sequence: 3, Digest: "d"}
			report.Settle(&slot, tc.answer, noon, 0.5)
			if slot.Outcome != string(tc.wantOutcome) || slot.Sequence != tc.wantSequence || slot.AcknowledgedSequence != tc.wantAck {
				t.Errorf("got %+v", slot)
			}
			if tc.wantAck == 0 {
				if got := slot.NextAttemptTime.Sub(noon); got != tc.wantIn {
					t.Errorf("next attempt in %s, want %s", got, tc.wantIn)
				}
			}
		})
	}
}

func TestAnOutageKeepsOneSlotAndBacksOff(t *testing.T) {
	slot := v1alpha1.ReportStatus{Sequence: 1, Digest: "a"}
	now := noon
	for range 100 {
		report.Settle(&slot, report.Answer{Status: 503}, now, 0.999)
		now = slot.NextAttemptTime.Time
	}
	if wait := slot.NextAttemptTime.Sub(slot.LastAttemptTime.Time); wait > 30*time.Minute {
		t.Errorf("waits %s", wait)
	}
	report.Allocate(&slot, "b", now)
	if due, _ := report.Due(slot, now); !due || slot.Sequence != 2 {
		t.Errorf("news are not sent at once: %+v", slot)
	}
}
