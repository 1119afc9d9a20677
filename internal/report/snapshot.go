package report

import (
	"crypto/sha1" //nolint:gosec // RFC 9562 builds version 5 UUIDs on it; nothing is protected by it
	"encoding/hex"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/wire"
)

// Input is what a snapshot is made from.
type Input struct {
	Deployment *v1alpha1.DPIDeployment
	// Goods are the catalogue entries by name.
	Goods map[string]*v1alpha1.DigitalPublicGood
	// ClusterID is the UID of the kube-system namespace.
	ClusterID string
	// Interval is the promise of how often the registry hears of the deployment.
	Interval time.Duration
	// ObservedAt is the moment of observation.
	ObservedAt time.Time
}

// Snapshot describes a deployment in the registry's words. Nothing that could name a host, a person or a secret is in it.
func Snapshot(in Input) wire.Deployment {
	object := in.Deployment
	reporting := object.Spec.Reporting
	ready := condition(object.Status.Conditions, v1alpha1.ReadyCondition)
	snapshot := wire.Deployment{
		SchemaVersion: wire.SchemaVersion,
		DeploymentID:  DeploymentID(object, in.ClusterID),
		Organisation:  wire.Organisation{URI: reporting.Organisation.URI, Name: reporting.Organisation.Name},
		Environment:   environment(object.Spec.Environment),
		Stage:         string(reporting.Stage), Reach: string(reporting.Reach),
		State: state(object, ready), Health: health(object, ready),
		Generation: object.Generation, ObservedGeneration: object.Status.ObservedGeneration,
		ObservedAt:            in.ObservedAt.UTC().Truncate(time.Second),
		ReportIntervalSeconds: int64(in.Interval / time.Second),
		Disclosure:            wire.Disclosure{Version: versionDisclosure(reporting), Tier: "partner"},
	}
	for _, jurisdiction := range reporting.Jurisdictions {
		snapshot.Jurisdictions = append(snapshot.Jurisdictions, string(jurisdiction))
	}
	if ready != nil {
		snapshot.StateSince = utc(&ready.LastTransitionTime)
	}
	snapshot.FirstReadyAt = utc(object.Status.FirstReadyAt)
	for _, each := range []v1alpha1.ConditionType{v1alpha1.ReadyCondition, v1alpha1.ComponentsReadyCondition, v1alpha1.BindingsReadyCondition} {
		if found := condition(object.Status.Conditions, each); found != nil {
			snapshot.Conditions = append(snapshot.Conditions, wire.Condition{
				Type: found.Type, Status: string(found.Status), Reason: found.Reason, LastTransitionTime: found.LastTransitionTime.UTC(),
			})
		}
	}
	for _, summary := range object.Status.Components {
		snapshot.Components = append(snapshot.Components, component(summary, in.Goods[summary.Good], snapshot.Disclosure.Version))
	}
	return snapshot
}

func component(summary v1alpha1.ComponentSummary, good *v1alpha1.DigitalPublicGood, disclosure string) wire.Component {
	out := wire.Component{
		Name: summary.Name, Version: disclosed(summary.Version, disclosure), State: wire.StateProgressing, Health: wire.HealthUnknown,
		Good: wire.Good{Identifiers: map[string]string{}}, Since: utc(summary.Since),
	}
	switch {
	case summary.Ready == metav1.ConditionTrue:
		out.State, out.Health = wire.StateReady, wire.HealthHealthy
	case v1alpha1.ConditionReason(summary.Reason) == v1alpha1.ReasonUnhealthy:
		out.State, out.Health = wire.StateDegraded, wire.HealthUnhealthy
	}
	if good == nil {
		return out
	}
	identity := good.Spec.Identity
	identify := func(scheme, value string) {
		if value != "" {
			out.Good.Identifiers[scheme] = value
		}
	}
	identify("repo", identity.Repository)
	identify("wikidata", identity.Wikidata)
	if identity.DPGA != nil {
		identify("dpga-slug", identity.DPGA.Slug)
		identify("dpga-gid", identity.DPGA.GID)
	}
	for _, block := range identity.BuildingBlocks {
		out.BuildingBlocks = append(out.BuildingBlocks, string(block))
	}
	return out
}

// DeploymentID is the owner's choice, or a version 5 UUID over the cluster's and the object's names: stable, and not to be
// read back.
func DeploymentID(object *v1alpha1.DPIDeployment, clusterID string) string {
	if chosen := object.Spec.Reporting.DeploymentID; chosen != "" {
		return chosen
	}
	// The URL namespace of RFC 9562.
	namespace := []byte{0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}
	sum := sha1.Sum(append(namespace, []byte(clusterID+"/"+object.Namespace+"/"+object.Name)...)) //nolint:gosec // see the import
	sum[6], sum[8] = sum[6]&0x0f|0x50, sum[8]&0x3f|0x80
	text := hex.EncodeToString(sum[:16])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

func environment(from v1alpha1.Environment) string {
	if from == v1alpha1.EnvironmentDemo {
		return "test"
	}
	return string(from)
}

func versionDisclosure(reporting *v1alpha1.Reporting) string {
	if reporting.VersionDisclosure == "" {
		return "minor"
	}
	return reporting.VersionDisclosure
}

// disclosed cuts a version to what the owner lets be known.
func disclosed(version, disclosure string) string {
	switch disclosure {
	case "exact":
		return version
	case "minor":
		parts := strings.SplitN(version, ".", 3)
		return strings.Join(parts[:min(len(parts), 2)], ".")
	default:
		return ""
	}
}

func state(object *v1alpha1.DPIDeployment, ready *metav1.Condition) string {
	switch {
	case !object.DeletionTimestamp.IsZero():
		return wire.StateTerminating
	case object.Spec.Suspend:
		return wire.StateSuspended
	case ready == nil:
		return wire.StatePending
	case ready.Status == metav1.ConditionTrue:
		return wire.StateReady
	case object.Status.FirstReadyAt != nil:
		return wire.StateDegraded
	case condition(object.Status.Conditions, v1alpha1.StalledCondition) != nil:
		return wire.StateFailed
	default:
		return wire.StateProgressing
	}
}

func health(object *v1alpha1.DPIDeployment, ready *metav1.Condition) string {
	switch {
	case ready == nil || ready.Status == metav1.ConditionUnknown:
		return wire.HealthUnknown
	case ready.Status == metav1.ConditionTrue:
		return wire.HealthHealthy
	case object.Status.FirstReadyAt != nil:
		return wire.HealthDegraded
	default:
		return wire.HealthUnknown
	}
}

func condition(conditions []metav1.Condition, wanted v1alpha1.ConditionType) *metav1.Condition {
	for i := range conditions {
		if conditions[i].Type == string(wanted) {
			return &conditions[i]
		}
	}
	return nil
}

func utc(moment *metav1.Time) *time.Time {
	if moment == nil || moment.IsZero() {
		return nil
	}
	out := moment.UTC()
	return &out
}
