package catalog_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/controllers/catalog"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/demo"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

var cluster client.Client

var config *rest.Config

func TestMain(m *testing.M) {
	os.Exit(testenv.Run(m, testenv.Options{CRDs: []string{"../../config/crd"}}, func(_ context.Context, ready *rest.Config) {
		scheme := runtime.NewScheme()
		for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
			if err := add(scheme); err != nil {
				panic(err)
			}
		}
		var err error
		if cluster, err = client.New(ready, client.Options{Scheme: scheme}); err != nil {
			panic(err)
		}
		config = ready
	}))
}

// world is one test's namespace with a Catalog `goods` that reads ConfigMap `source`.
type world struct {
	t          *testing.T
	namespace  string
	reconciler *catalog.Reconciler
	events     *events.FakeRecorder
}

const contract = `apiVersion: dpi-operator.io/v1alpha1
kind: InterfaceContract
metadata: {name: NAME}
spec:
  type: http
  description: DESCRIPTION
  outputs: [{name: url, origin: Provider}]
  verification: {method: http-api-v1}
---
`

func entry(name, description string) string {
	return strings.NewReplacer("NAME", name, "DESCRIPTION", description).Replace(contract)
}

func newWorld(t *testing.T, documents map[string]string) *world {
	t.Helper()
	recorder := events.NewFakeRecorder(100)
	w := &world{t: t, namespace: testenv.Namespace(t, config), events: recorder, reconciler: &catalog.Reconciler{Client: cluster, Events: recorder}}
	w.create(&v1alpha1.Catalog{ObjectMeta: w.meta("goods"), Spec: v1alpha1.CatalogSpec{
		Source: v1alpha1.CatalogSource{ConfigMap: &v1alpha1.CatalogConfigMap{Name: "source"}},
	}})
	if documents != nil {
		w.create(&corev1.ConfigMap{ObjectMeta: w.meta("source"), Data: documents})
	}
	return w
}

func (w *world) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: w.namespace}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) create(object client.Object) {
	w.t.Helper()
	w.must(cluster.Create(w.t.Context(), object))
}

// source rewrites the ConfigMap.
func (w *world) source(documents map[string]string) {
	w.t.Helper()
	w.must(cluster.Update(w.t.Context(), &corev1.ConfigMap{ObjectMeta: w.meta("source"), Data: documents}))
}

// reconcile makes one pass; a source that a person must change is a terminal error and not a failure here.
func (w *world) reconcile() {
	w.t.Helper()
	_, err := w.reconciler.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: w.namespace, Name: "goods"}})
	if err != nil && !strings.HasPrefix(err.Error(), "terminal error") {
		w.t.Fatal(err)
	}
}

func (w *world) catalog() *v1alpha1.Catalog {
	w.t.Helper()
	object := &v1alpha1.Catalog{ObjectMeta: w.meta("goods")}
	w.must(cluster.Get(w.t.Context(), client.ObjectKeyFromObject(object), object))
	return object
}

// contracts are the descriptions of the contracts in the namespace, by name.
func (w *world) contracts() map[string]string {
	w.t.Helper()
	var list v1alpha1.InterfaceContractList
	w.must(cluster.List(w.t.Context(), &list, client.InNamespace(w.namespace)))
	out := map[string]string{}
	for i := range list.Items {
		out[list.Items[i].Name] = list.Items[i].Spec.Description
	}
	return out
}

func (w *world) wantReady(status metav1.ConditionStatus, reason v1alpha1.ConditionReason, text string) {
	w.t.Helper()
	ready := conditions.Get(w.catalog(), v1alpha1.ReadyCondition)
	if ready == nil || ready.Status != status || ready.Reason != string(reason) || !strings.Contains(ready.Message, text) {
		w.t.Errorf("got %+v\nwant %s %s %q", ready, status, reason, text)
	}
}

func (w *world) wantContracts(want map[string]string) {
	w.t.Helper()
	got := w.contracts()
	if len(got) != len(want) {
		w.t.Errorf("got contracts %v, want %v", got, want)
	}
	for name, description := range want {
		if got[name] != description {
			w.t.Errorf("contract %s says %q, want %q", name, got[name], description)
		}
	}
}

func TestTheCatalogueOfThisProjectLoads(t *testing.T) {
	entries, err := demo.BuildCatalogue("../../config/catalog")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, map[string]string{"catalog.yaml": string(entries)})
	w.reconcile()
	counted := func(kind string) int { return strings.Count(string(entries), "\nkind: "+kind+"\n") }
	w.wantReady(metav1.ConditionTrue, v1alpha1.ReasonReady, fmt.Sprintf("%d goods, %d contracts, 1 template", counted("DigitalPublicGood"), counted("InterfaceContract")))
	if object := w.catalog(); object.Status.ObservedGeneration != object.Generation || !strings.HasPrefix(object.Status.Digest, "sha256:") {
		t.Errorf("got %+v", object.Status)
	}
	before := w.versions()
	w.reconcile()
	if after := w.versions(); after != before {
		t.Errorf("a second pass wrote:\n%s\n%s", before, after)
	}
}

// versions are the resource versions of the catalogue and its goods, which have the most defaults.
func (w *world) versions() string {
	w.t.Helper()
	var list v1alpha1.DigitalPublicGoodList
	w.must(cluster.List(w.t.Context(), &list, client.InNamespace(w.namespace)))
	out := []string{w.catalog().ResourceVersion}
	for i := range list.Items {
		out = append(out, list.Items[i].Name+"="+list.Items[i].ResourceVersion)
	}
	return strings.Join(out, " ")
}

func TestItWaitsForItsSource(t *testing.T) {
	w := newWorld(t, nil)
	w.reconcile()
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonSourceNotFound, "Waiting for ConfigMap source")
	if conditions.Get(w.catalog(), v1alpha1.StalledCondition) != nil {
		t.Error("waiting is not stalled")
	}
	w.create(&corev1.ConfigMap{ObjectMeta: w.meta("source"), Data: map[string]string{"a.yaml": entry("fhir", "one")}})
	w.reconcile()
	w.wantReady(metav1.ConditionTrue, v1alpha1.ReasonReady, "0 goods, 1 contract, 0 templates")
}

func TestTheNamespaceFollowsTheSource(t *testing.T) {
	w := newWorld(t, map[string]string{"a.yaml": entry("fhir", "one") + entry("openehr", "one")})
	w.reconcile()
	w.wantContracts(map[string]string{"fhir": "one", "openehr": "one"})
	w.source(map[string]string{"a.yaml": entry("fhir", "two"), "notes.txt": "not an entry"})
	w.reconcile()
	w.wantContracts(map[string]string{"fhir": "two"})
}

func TestABrokenSourceChangesNothing(t *testing.T) {
	good := "apiVersion: dpi-operator.io/v1alpha1\nkind: DigitalPublicGood\nmetadata: {name: g}\n"
	for name, tc := range map[string]struct{ text, want string }{
		"not YAML":                {"a: [", "a.yaml"},
		"another kind":            {"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n", "Secret"},
		"a field unknown":         {strings.Replace(entry("fhir", "two"), "spec:", "spec:\n  colour: red", 1), "colour"},
		"twice the same":          {entry("openehr", "two") + entry("openehr", "two"), "openehr is in a.yaml already"},
		"an expression broken":    {good + "spec:\n  values: [{path: a, expr: 'facts.'}]\n", "mapping of a"},
		"a health rule broken":    {good + "spec:\n  health: [{apiVersion: example.org/v1, kind: Gate, current: 'status.'}]\n", "health rule for example.org/v1 Gate"},
		"a path with a secret":    {good + "spec:\n  provides: [{contract: c, provisioner: http-upsert, http: {objects: [{name: o, find: {pathExpr: '[secrets.a]'}}]}}]\n", "provides c, http: object o: find: pathExpr"},
		"a public key of no pair": {strings.Replace(entry("fhir", "two"), "outputs: [", "outputs: [{name: p, origin: Generated, format: jwk, publicOf: q}, ", 1), "publicOf names"},
		"a condition broken":      {strings.Replace(entry("fhir", "two"), "outputs: [", "outputs: [{name: p, origin: Minted, when: facts.country}, ", 1), "output p: when"},
		"a mediator of nothing":   {good + "spec:\n  mediates: [{contracts: [c], channel: {contract: a}, client: {contract: b}, outputs: [{name: url, expr: channel.url}]}]\n", "mediates c: the good has to provide a"},
		"a channel of a channel":  {good + "spec:\n  mediates: [{contracts: [c], channel: {contract: a, parametersExpr: '{\"path\": channel.path}'}, client: {contract: b}, outputs: []}]\n", "mediates c: channel.parametersExpr"},
		"a preparer of nowhere":   {good + "spec:\n  prepare: [{name: realm, endpoint: web, provisioner: own, imageExpr: secrets.a}]\n", "prepare realm, imageExpr"},
		"a preparation broken":    {good + "spec:\n  prepare: [{name: realm, endpoint: web, provisioner: http-upsert, http: {objects: [{name: o, find: {pathExpr: '[secrets.a]'}}]}}]\n", "prepare realm, http: object o: find: pathExpr"},
		"refused at admission":    {strings.Replace(entry("fhir", "two"), "name: url", "name: Not_A_Name!", 1), "spec.outputs"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, map[string]string{"a.yaml": entry("fhir", "one")})
			w.reconcile()
			w.source(map[string]string{"a.yaml": tc.text})
			w.reconcile()
			w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonEntryInvalid, tc.want)
			if conditions.Get(w.catalog(), v1alpha1.StalledCondition) == nil {
				t.Error("not stalled, although only a person can mend it")
			}
			w.wantContracts(map[string]string{"fhir": "one"})

			w.source(map[string]string{"a.yaml": entry("fhir", "three")})
			w.reconcile()
			w.wantReady(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
			w.wantContracts(map[string]string{"fhir": "three"})
		})
	}
}

func TestNamesOfOthersAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	w := newWorld(t, map[string]string{"a.yaml": entry("alpha", "ours") + entry("fhir", "ours")})
	w.create(&v1alpha1.InterfaceContract{ObjectMeta: w.meta("fhir"), Spec: v1alpha1.InterfaceContractSpec{
		Type: "fhir", Description: "theirs", Outputs: []v1alpha1.ContractOutput{{Name: "url", Origin: v1alpha1.OriginProvider}},
		Verification: v1alpha1.ContractVerification{Method: "http-api-v1"},
	}})
	w.reconcile()
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonEntryConflict, "InterfaceContract fhir")
	w.wantContracts(map[string]string{"fhir": "theirs"})
}

func TestAnEntryEditedByHandIsPutRight(t *testing.T) {
	w := newWorld(t, map[string]string{"a.yaml": entry("fhir", "one")})
	w.reconcile()
	edited := &v1alpha1.InterfaceContract{ObjectMeta: w.meta("fhir")}
	w.must(cluster.Get(t.Context(), client.ObjectKeyFromObject(edited), edited))
	edited.Spec.Description = "edited"
	w.must(cluster.Update(t.Context(), edited))
	w.reconcile()
	w.wantContracts(map[string]string{"fhir": "one"})
}

func TestASuspendedCatalogueLeavesItsEntries(t *testing.T) {
	w := newWorld(t, map[string]string{"a.yaml": entry("fhir", "one")})
	w.reconcile()
	object := w.catalog()
	object.Spec.Suspend = true
	w.must(cluster.Update(t.Context(), object))
	w.source(map[string]string{"a.yaml": entry("fhir", "two")})
	w.reconcile()
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonSuspended, "Suspended")
	w.wantContracts(map[string]string{"fhir": "one"})
}
