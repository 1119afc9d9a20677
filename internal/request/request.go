package request

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/fetch"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/render"
	"github.com/dpi-operator/dpi-operator/internal/values"
)

// Chart names the archive of a component that has a chart. A digest that is known for this generation pins it.
func Chart(component *v1alpha1.Component) fetch.Reference {
	chart := component.Spec.Chart
	reference := fetch.Reference{
		URL: chart.Repository, Chart: chart.Name, Version: chart.Version, Digest: chart.Digest, PlainHTTP: chart.PlainHTTP,
	}
	if strings.HasPrefix(chart.Repository, "oci://") {
		reference.URL = strings.TrimSuffix(chart.Repository, "/") + "/" + chart.Name
	}
	known := component.Status.Release
	if reference.Digest == "" && known != nil && component.Status.ObservedGeneration == component.Generation {
		reference.Digest = known.ChartDigest
	}
	return reference
}

// Release is what the engine is asked for, with the chart given and with the credentials the component was rolled out with.
// An error is in spec.values, and says so.
func Release(component *v1alpha1.Component, chart release.Chart) (release.Request, error) {
	tree := values.Tree{}
	if component.Spec.Values != nil {
		decoded, err := values.Decode(component.Spec.Values.Raw)
		if err != nil {
			return release.Request{}, fmt.Errorf("spec.values: %w", err)
		}
		tree = decoded
	}
	return release.Request{
		Namespace: component.Namespace, Name: component.Spec.ReleaseName, Owner: Owner(component), Chart: chart, Values: tree,
		Transform: release.Transform{
			Patches: patches(component.Spec.Patches), WorkloadAnnotations: WorkloadAnnotations(component.Status.Credentials),
			Projections: projections(component.Spec.Projections),
		},
		Policy: policy(component.Spec.Policy),
	}, nil
}

// Removal is what the engine is asked for when the component goes.
func Removal(component *v1alpha1.Component) release.UninstallRequest {
	request := release.UninstallRequest{
		Namespace: component.Namespace, Name: component.InstalledRelease(), Owner: Owner(component), Volumes: release.KeepVolumes,
		HookDeadline: durationOf(component.Spec.Policy.HookDeadline),
	}
	if component.GetDeletionPolicy() == v1alpha1.DeleteData {
		request.Volumes = release.DeleteVolumes
	}
	return request
}

// Owner is whom the component's release belongs to.
func Owner(component *v1alpha1.Component) release.Owner {
	return release.Owner{Component: component.Name, Deployment: component.Labels[v1alpha1.DeploymentLabel]}
}

func projections(from []v1alpha1.ComponentProjection) []render.Projection {
	var out []render.Projection
	for _, each := range from {
		projection := render.Projection{Name: each.Name, Secret: each.SecretName, Workload: each.Workload}
		for _, container := range each.Containers {
			projection.Containers = append(projection.Containers, string(container))
		}
		out = append(out, projection)
	}
	return out
}

func patches(from []v1alpha1.KustomizePatch) []render.Patch {
	out := make([]render.Patch, 0, len(from))
	for _, each := range from {
		patch := render.Patch{Patch: each.Patch}
		if t := each.Target; t != nil {
			patch.Target = &render.Target{Group: t.Group, Version: t.Version, Kind: t.Kind, Name: t.Name, LabelSelector: t.LabelSelector}
		}
		out = append(out, patch)
	}
	return out
}

// policy puts the API's words into the engine's. What the API leaves open the engine decides.
func policy(from v1alpha1.ReleasePolicy) release.Policy {
	return release.Policy{
		OnUpgradeFailure: release.FailurePolicy(from.OnUpgradeFailure),
		Adoption:         release.Adoption(from.Adoption),
		CRDs:             release.CRDPolicy(from.CRDs),
		Recreate:         release.RecreatePolicy(from.Recreate),
		HookDeadline:     durationOf(from.HookDeadline),
		MaxAttempts:      int(from.MaxAttempts),
	}
}

func durationOf(from *metav1.Duration) time.Duration {
	if from == nil {
		return 0
	}
	return from.Duration
}
