package charts_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/dpi-operator/dpi-operator/internal/helm"
)

// goods are the charts of charts/goods with the least values they can be installed with.
var goods = map[string]map[string]any{
	"postgresql": {
		"image": map[string]any{"registry": "images.example.org"},
		"auth":  map[string]any{"existingSecret": "superuser"},
	},
	"keycloak": {
		"image":    map[string]any{"registry": "images.example.org"},
		"database": map[string]any{"host": "db", "name": "identity", "existingSecret": "login"},
		"admin":    map[string]any{"existingSecret": "admin"},
		"hostname": "http://identity.example.org:8080",
	},
	"ehrbase": {
		"image":    map[string]any{"registry": "images.example.org"},
		"database": map[string]any{"host": "db", "name": "records", "existingSecret": "logins"},
		"oidc":     map[string]any{"issuerURL": "http://identity.example.org:8080/realms/health"},
	},
	"hapi-fhir": {
		"image":    map[string]any{"registry": "images.example.org"},
		"database": map[string]any{"host": "db", "name": "fhir", "existingSecret": "login"},
	},
}

func TestGoods_everyChartIsTested(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join(root, "charts", "goods"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if _, ok := goods[entry.Name()]; !ok {
			t.Errorf("charts/goods/%s is not in the tests", entry.Name())
		}
	}
}

func TestGoods_podsMeetTheRestrictedProfile(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for name, values := range goods {
		t.Run(name, func(t *testing.T) {
			pods := podSpecs(t, mustRender(t, "goods/"+name, request(values)))
			if len(pods) != 1 {
				t.Fatalf("%d workloads, want one", len(pods))
			}
			for _, pod := range pods {
				for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
					if !result.Allowed {
						t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
					}
				}
				checkHardening(t, pod.Spec)
			}
		})
	}
}

// checkHardening holds what the restricted profile leaves open.
func checkHardening(t *testing.T, spec corev1.PodSpec) {
	t.Helper()
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
		t.Error("the pod gets a token of the cluster's API, which it has no use for")
	}
	for _, container := range spec.Containers {
		if !*container.SecurityContext.ReadOnlyRootFilesystem {
			t.Errorf("%s: the root file system is writable", container.Name)
		}
		if container.StartupProbe == nil || container.ReadinessProbe == nil || container.LivenessProbe == nil {
			t.Errorf("%s: a probe is missing", container.Name)
		}
		if container.Resources.Requests.Cpu().IsZero() || container.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s: neither a share of CPU nor a bound on memory", container.Name)
		}
		if !slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/tmp" }) {
			t.Errorf("%s: /tmp is not writable", container.Name)
		}
	}
}

// Addresses are facts of the plan, so every chart must serve under the name it was given.
func TestGoods_serviceHasTheNameOfTheRelease(t *testing.T) {
	for name, values := range goods {
		t.Run(name, func(t *testing.T) {
			objects := mustRender(t, "goods/"+name, request(values))
			service := find(objects, "Service", release)
			if service == nil {
				t.Fatalf("no Service %s, only %v", release, names(objects, "Service"))
			}
			selector := convert[corev1.Service](t, service).Spec.Selector
			for _, pod := range podSpecs(t, objects) {
				for key, value := range selector {
					if pod.Labels[key] != value {
						t.Errorf("the Service selects %s=%s, the pods have %q", key, value, pod.Labels[key])
					}
				}
			}
		})
	}
}

func TestGoods_passwordsAreReferencesOnly(t *testing.T) {
	for name, values := range goods {
		t.Run(name, func(t *testing.T) {
			objects := mustRender(t, "goods/"+name, request(values))
			if secrets := names(objects, "Secret"); len(secrets) > 0 {
				t.Errorf("the chart writes Secrets of its own: %v", secrets)
			}
			for _, pod := range podSpecs(t, objects) {
				for _, env := range pod.Spec.Containers[0].Env {
					secret := strings.Contains(env.Name, "PASSWORD") && !strings.HasSuffix(env.Name, "_FILE")
					if secret && (env.ValueFrom == nil || env.ValueFrom.SecretKeyRef == nil) {
						t.Errorf("%s does not come from a Secret", env.Name)
					}
				}
			}
		})
	}
}

func TestGoods_refuseWhatTheyDoNotKnow(t *testing.T) {
	for name, values := range goods {
		for _, misspelt := range []string{"imageRegistry", "databse"} {
			t.Run(name+"/"+misspelt, func(t *testing.T) {
				wrong := maps.Clone(values)
				wrong[misspelt] = "x"
				_, err := chart(t, "goods/"+name).Render(t.Context(), request(wrong))
				if !errors.Is(err, helm.ErrInvalidValues) {
					t.Errorf("got %v, want %v", err, helm.ErrInvalidValues)
				}
			})
		}
	}
}

func TestGoods_sayWhatIsMissing(t *testing.T) {
	for name, values := range goods {
		for key := range values {
			t.Run(name+"/"+key, func(t *testing.T) {
				less := maps.Clone(values)
				delete(less, key)
				_, err := chart(t, "goods/"+name).Render(t.Context(), request(less))
				if err == nil || !strings.Contains(err.Error(), "set "+key) {
					t.Errorf("got %v, want a sentence that begins with: set %s", err, key)
				}
			})
		}
	}
}

func TestGoods_digestPinsTheImage(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for name, values := range goods {
		t.Run(name, func(t *testing.T) {
			pinned := maps.Clone(values)
			pinned["image"] = map[string]any{"registry": "images.example.org", "tag": "1", "digest": digest}
			for _, pod := range podSpecs(t, mustRender(t, "goods/"+name, request(pinned))) {
				want := "images.example.org/dpi/" + name + ":1@" + digest
				if got := pod.Spec.Containers[0].Image; got != want {
					t.Errorf("image %s, want %s", got, want)
				}
			}
		})
	}
}

// A claim's labels cannot change, so they must not carry a version.
func TestPostgreSQL_keepsItsVolumeThroughUpgradesAndDeletion(t *testing.T) {
	objects := mustRender(t, "goods/postgresql", request(goods["postgresql"]))
	set := convert[appsv1.StatefulSet](t, find(objects, "StatefulSet", release)).Spec
	if len(set.VolumeClaimTemplates) != 1 {
		t.Fatalf("%d claims, want one", len(set.VolumeClaimTemplates))
	}
	for key := range set.VolumeClaimTemplates[0].Labels {
		if key != "app.kubernetes.io/name" && key != "app.kubernetes.io/instance" {
			t.Errorf("the claim is labelled with %s, which changes", key)
		}
	}
	retention := set.PersistentVolumeClaimRetentionPolicy
	want := appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
		WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType, WhenScaled: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
	}
	if retention == nil || *retention != want {
		t.Errorf("retention %v, want %v", retention, want)
	}
}

func TestGoods_shareTheirHelpers(t *testing.T) {
	var first []byte
	for name := range goods {
		helpers, err := os.ReadFile(filepath.Join(root, "charts", "goods", name, "templates", "_good.tpl"))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = helpers
		}
		if !bytes.Equal(first, helpers) {
			t.Errorf("%s: _good.tpl differs from the others; copy the fix to all charts", name)
		}
	}
}

func TestGoods_releaseNamesOfFullLengthStayValid(t *testing.T) {
	for name, values := range goods {
		in := request(values)
		in.Release = strings.Repeat("a", 53)
		for _, object := range mustRender(t, "goods/"+name, in) {
			for key, value := range object.GetLabels() {
				if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
					t.Errorf("%s: label %s=%s: %v", name, key, value, problems)
				}
			}
		}
	}
}
