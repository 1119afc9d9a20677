package infer_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/internal/infer"
)

func objects(t *testing.T, documents string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for document := range strings.SplitSeq(documents, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			t.Fatal(err)
		}
		if object.Object != nil {
			out = append(out, object)
		}
	}
	return out
}

func TestOf(t *testing.T) {
	for name, tc := range map[string]struct {
		documents    string
		secrets      []string
		brings, uses []infer.Thing
	}{
		"nothing": {},
		"what it brings": {
			documents: `
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: w.example.org}, spec: {group: example.org, names: {kind: Widget}}}
---
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: fast}}
---
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: public}}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: apps}}
---
{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: here}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: apps}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: runner}}`,
			secrets: []string{"admin"},
			brings: []infer.Thing{"ConfigMap/apps/settings", "IngressClass/public", "Kind/Widget.example.org", "Namespace/apps", "PriorityClass/high",
				"Secret/admin", "Secret/key", "ServiceAccount/runner", "StorageClass/fast"},
		},
		"Secrets that others make of its objects": {
			documents: `
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: web}, spec: {secretName: web-tls, issuerRef: {name: ca, kind: ClusterIssuer}}}
---
{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: db}, spec: {target: {name: db-login}}}
---
{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: smtp}}
---
{apiVersion: bitnami.com/v1alpha1, kind: SealedSecret, metadata: {name: sealed}}`,
			brings: []infer.Thing{"Secret/db-login", "Secret/sealed", "Secret/smtp", "Secret/web-tls"},
			uses: []infer.Thing{"ClusterIssuer/ca", "Kind/Certificate.cert-manager.io", "Kind/ExternalSecret.external-secrets.io",
				"Kind/SealedSecret.bitnami.com"},
		},
		"a Secret of a custom group is none": {
			documents: `{apiVersion: example.org/v1, kind: Secret, metadata: {name: key}}`,
			uses:      []infer.Thing{"Kind/Secret.example.org"},
		},
		"issuers": {
			documents: `
{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: own}}
---
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: a}, spec: {issuerRef: {name: own}}}
---
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: b}, spec: {issuerRef: {name: x, group: other.example.org}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, annotations: {cert-manager.io/cluster-issuer: letters, kubernetes.io/ingress.class: old}}
spec: {ingressClassName: public}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g, annotations: {cert-manager.io/issuer: near}}}
---
{apiVersion: v1, kind: Service, metadata: {name: s, annotations: {cert-manager.io/issuer: far, cert-manager.io/issuer-group: other.example.org}}}`,
			brings: []infer.Thing{"Issuer/own"},
			uses: []infer.Thing{"ClusterIssuer/letters", "IngressClass/old", "IngressClass/public", "Issuer/near", "Kind/Certificate.cert-manager.io",
				"Kind/Gateway.gateway.networking.k8s.io", "Kind/Issuer.cert-manager.io"},
		},
		"volumes": {
			documents: `
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {storageClassName: fast}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: none}, spec: {storageClassName: ""}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  volumeClaimTemplates: [{metadata: {name: data}, spec: {storageClassName: slow}}]
  template: {spec: {containers: [], volumes: [
    {name: a, secret: {secretName: login}}, {name: b, secret: {secretName: maybe, optional: true}}, {name: c, configMap: {name: settings}},
    {name: d, projected: {sources: [{secret: {name: joined}}, {configMap: {name: kube-root-ca.crt}}]}},
    {name: e, ephemeral: {volumeClaimTemplate: {spec: {storageClassName: scratch}}}}]}}`,
			uses: []infer.Thing{"ConfigMap/settings", "Secret/joined", "Secret/login", "StorageClass/fast", "StorageClass/scratch", "StorageClass/slow"},
		},
		"pods of every kind": {
			documents: `
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {jobTemplate: {spec: {template: {spec: {
  serviceAccountName: runner, priorityClassName: high, imagePullSecrets: [{name: pull}],
  initContainers: [{name: i, envFrom: [{configMapRef: {name: first}}, {secretRef: {name: maybe, optional: true}}]}],
  containers: [{name: c, env: [{name: A, value: plain}, {name: P, valueFrom: {secretKeyRef: {name: login, key: p}}},
    {name: Q, valueFrom: {configMapKeyRef: {name: second, key: q}}}, {name: R, valueFrom: {secretKeyRef: {name: later, key: r, optional: true}}}]}]}}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {serviceAccountName: default, priorityClassName: system-node-critical}}`,
			uses: []infer.Thing{"ConfigMap/first", "ConfigMap/second", "PriorityClass/high", "Secret/login", "Secret/pull", "ServiceAccount/runner"},
		},
		"another namespace": {
			documents: `
{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: apps}, spec: {template: {spec: {containers: [{name: c, envFrom: [{secretRef: {name: key}}]}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: s, namespace: kube-system}}
---
{apiVersion: v1, kind: Secret, metadata: {name: key}}`,
			brings: []infer.Thing{"Secret/key"},
			uses:   []infer.Thing{"Namespace/apps", "Secret/apps/key"},
		},
		"what is malformed is left to the cluster": {
			documents: `{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {spec: {containers: nonsense}}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			brings, uses := infer.Of(infer.Rendered{Namespace: "here", Objects: objects(t, tc.documents), Secrets: tc.secrets})
			if diff := cmp.Diff(tc.brings, brings, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("brings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.uses, uses, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOf_keepsTheMostTellingThings(t *testing.T) {
	var documents []string
	for i := range 2 * infer.MaxThings {
		documents = append(documents, fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: c%03d}}", i))
	}
	documents = append(documents, "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: fast}}")
	brings, _ := infer.Of(infer.Rendered{Objects: objects(t, strings.Join(documents, "\n---\n"))})
	if len(brings) != infer.MaxThings || brings[len(brings)-1] != "StorageClass/fast" {
		t.Errorf("got %v", brings)
	}
}

func TestEdges(t *testing.T) {
	type components map[string]infer.Component
	brings := func(things ...infer.Thing) infer.Component { return infer.Component{Brings: things} }
	uses := func(things ...infer.Thing) infer.Component { return infer.Component{Uses: things} }
	for name, tc := range map[string]struct {
		components components
		want       []infer.Edge
	}{
		"alone":              {components{"a": uses("Secret/x")}, nil},
		"nobody brings it":   {components{"a": uses("Secret/x"), "b": brings("Secret/y")}, nil},
		"another brings it":  {components{"a": uses("Secret/x"), "b": brings("Secret/x")}, []infer.Edge{{"b", "Secret/x", infer.Enforced}}},
		"two bring it":       {components{"a": uses("Secret/x"), "c": brings("Secret/x"), "b": brings("Secret/x")}, []infer.Edge{{"b", "Secret/x", infer.Enforced}, {"c", "Secret/x", infer.Enforced}}},
		"several things":     {components{"a": uses("ConfigMap/x", "Kind/W.example.org"), "b": brings("ConfigMap/x", "Kind/W.example.org")}, []infer.Edge{{"b", "Kind/W.example.org", infer.Enforced}}},
		"declared anyway":    {components{"a": {Uses: []infer.Thing{"Secret/x"}, Declared: []string{"b"}}, "b": brings("Secret/x")}, nil},
		"waived":             {components{"a": {Uses: []infer.Thing{"Secret/x"}, Waived: []string{"b"}}, "b": brings("Secret/x")}, []infer.Edge{{"b", "Secret/x", infer.Waived}}},
		"all waived":         {components{"a": {Uses: []infer.Thing{"Secret/x"}, Waived: []string{"*"}}, "b": brings("Secret/x")}, []infer.Edge{{"b", "Secret/x", infer.Waived}}},
		"another one waived": {components{"a": {Uses: []infer.Thing{"Secret/x"}, Waived: []string{"c"}}, "b": brings("Secret/x")}, []infer.Edge{{"b", "Secret/x", infer.Enforced}}},
		"against a declared one": {
			components{"a": uses("Secret/x"), "b": {Brings: []infer.Thing{"Secret/x"}, Declared: []string{"c"}}, "c": {Declared: []string{"a"}}},
			[]infer.Edge{{"b", "Secret/x", infer.Cyclic}},
		},
		"against a more telling one": {
			components{"a": {Uses: []infer.Thing{"Secret/x"}, Brings: []infer.Thing{"Kind/W.example.org"}}, "b": {Brings: []infer.Thing{"Secret/x"}, Uses: []infer.Thing{"Kind/W.example.org"}}},
			[]infer.Edge{{"b", "Secret/x", infer.Cyclic}},
		},
		"against a less telling one": {
			components{"a": {Uses: []infer.Thing{"Kind/W.example.org"}, Brings: []infer.Thing{"Secret/x"}}, "b": {Brings: []infer.Thing{"Kind/W.example.org"}, Uses: []infer.Thing{"Secret/x"}}},
			[]infer.Edge{{"b", "Kind/W.example.org", infer.Enforced}},
		},
		"a waived one closes no circle": {
			components{"a": {Uses: []infer.Thing{"ConfigMap/x"}, Brings: []infer.Thing{"Secret/y"}}, "b": {Brings: []infer.Thing{"ConfigMap/x"}, Uses: []infer.Thing{"Secret/y"}, Waived: []string{"a"}}},
			[]infer.Edge{{"b", "ConfigMap/x", infer.Enforced}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, infer.Edges("a", tc.components)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestThing_isAnObject(t *testing.T) {
	for thing, want := range map[infer.Thing]string{
		"StorageClass/fast": "StorageClass fast", "Secret/key": "Secret here/key", "Secret/apps/key": "Secret apps/key",
		"ClusterIssuer/ca": "ClusterIssuer ca", "Issuer/ca": "Issuer here/ca", "Kind/W.example.org": "",
	} {
		id, isObject := thing.Object("here")
		if isObject != (want != "") || isObject && id.String() != want {
			t.Errorf("%s: got %s, %t", thing, id, isObject)
		}
	}
	if got := infer.Thing("Kind/W.example.org").String(); got != "kind W.example.org" {
		t.Errorf("got %s", got)
	}
}
