package deployment_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// neighbours are a platform team's deployment of a database, and a clinic's that wants to use it.
func neighbours(t *testing.T) (platform, clinic *world) {
	t.Helper()
	platform, clinic = newWorld(t, true), newWorld(t, false)
	clinic.reconciler.CatalogNamespace = platform.namespace
	platform.deploy(database)
	shared := v1alpha1.StackBinding{Requirement: "database", From: &v1alpha1.ProviderReference{Namespace: platform.namespace, Deployment: "he", Component: "db"}}
	clinic.deploy(v1alpha1.StackComponent{Name: "ehr", Good: "ehrbase", Version: "2.x", Bindings: []v1alpha1.StackBinding{shared}})
	return platform, clinic
}

func export(to ...v1alpha1.Grant) func(*v1alpha1.DPIDeployment) {
	return func(object *v1alpha1.DPIDeployment) {
		object.Spec.Exports = []v1alpha1.Export{{Component: "db", ExportTerms: v1alpha1.ExportTerms{Contracts: []v1alpha1.ContractName{"postgresql-v1"}, To: to}}}
	}
}

func TestAnotherNamespaceIsUsedWithAnExportAndAGrantOnly(t *testing.T) {
	platform, clinic := neighbours(t)
	clinic.reconcile()
	clinic.wantReady(metav1.ConditionFalse, v1alpha1.ReasonNotExported, "{component: db, contracts: [postgresql-v1], to: [{namespace: "+clinic.namespace+"}]}")
	if conditions.Get(clinic.get(), v1alpha1.StalledCondition) == nil {
		t.Error("nobody is told to act")
	}

	platform.update(export())
	clinic.reconcile()
	clinic.wantReady(metav1.ConditionFalse, v1alpha1.ReasonNotGranted, "its owner can add to the export's to: {namespace: "+clinic.namespace+"}")
	if len(clinic.components())+len(clinic.bindings()) != 0 {
		t.Error("something was made without a grant")
	}

	platform.update(export(v1alpha1.Grant{Namespace: clinic.namespace}))
	clinic.reconcile()
	clinic.wantReady(metav1.ConditionFalse, v1alpha1.ReasonWaitingForProvider, "Waiting for component db of deployment "+platform.namespace+"/he")
	if conditions.Get(clinic.get(), v1alpha1.StalledCondition) != nil {
		t.Error("waiting is shown as stalled")
	}

	platform.reconcile()
	clinic.reconcile()
	bindings := clinic.bindings()
	if len(bindings) != 1 || bindings[0].ProviderName() != platform.namespace+"/he-db" || bindings[0].Spec.Provider.AdminSecretName != "he-db-admin-credential" {
		t.Fatalf("got %+v", bindings)
	}
}

// The component that provides is in another stack: only the binding can tell that it does not work.
func TestAStackIsNotReadyWhileItWaitsForAProviderOfAnother(t *testing.T) {
	platform, clinic := neighbours(t)
	platform.update(export(v1alpha1.Grant{Namespace: clinic.namespace}))
	platform.reconcile()
	clinic.reconcile()
	for _, component := range clinic.components() {
		conditions.MarkReady(component, conditions.True(v1alpha1.ReasonReady, "Works"), conditions.Resting)
		if err := cluster.Status().Update(t.Context(), component); err != nil {
			t.Fatal(err)
		}
	}
	edge := clinic.bindings()[0]
	conditions.MarkReady(&edge, conditions.False(v1alpha1.ReasonWaitingForProvider, "Waiting for component "+edge.ProviderName()), conditions.Reconciling)
	if err := cluster.Status().Update(t.Context(), &edge); err != nil {
		t.Fatal(err)
	}
	clinic.reconcile()
	clinic.wantReady(metav1.ConditionFalse, v1alpha1.ReasonBindingNotReady, "Waiting for component "+edge.ProviderName())
}

func TestExportsHoldAtOnceAndMakeNoRevision(t *testing.T) {
	platform, clinic := neighbours(t)
	platform.reconcile()
	platform.update(export(v1alpha1.Grant{Namespace: clinic.namespace}))
	platform.reconcile()
	exports := platform.components()["he-db"].Spec.Exports
	if len(exports) != 1 || len(exports[0].To) != 1 || platform.get().Status.Revision.Number != 1 {
		t.Errorf("got %+v in revision %d", exports, platform.get().Status.Revision.Number)
	}
	platform.update(func(object *v1alpha1.DPIDeployment) { object.Spec.Exports = nil })
	platform.reconcile()
	if got := platform.components()["he-db"].Spec.Exports; len(got) != 0 {
		t.Errorf("still exported: %+v", got)
	}
}

func TestAnExportOfWhatIsNotThereIsRefusedAndTheOthersHold(t *testing.T) {
	platform, clinic := neighbours(t)
	platform.update(func(object *v1alpha1.DPIDeployment) {
		export(v1alpha1.Grant{Namespace: clinic.namespace})(object)
		object.Spec.Exports = append(object.Spec.Exports, v1alpha1.Export{
			Component: "cache", ExportTerms: v1alpha1.ExportTerms{Contracts: []v1alpha1.ContractName{"redis-v1"}},
		})
	})
	platform.reconcile()
	platform.wantReady(metav1.ConditionFalse, v1alpha1.ReasonUnknownComponent, `spec.exports names component "cache"`)
	if len(platform.components()["he-db"].Spec.Exports) != 1 {
		t.Error("the export that can be met does not hold")
	}
}

func TestAWithdrawnGrantRefusesANewPlanAndKeepsTheStack(t *testing.T) {
	platform, clinic := neighbours(t)
	platform.update(export(v1alpha1.Grant{Namespace: clinic.namespace}))
	platform.reconcile()
	clinic.reconcile()
	clinic.markAll()
	clinic.reconcile()
	clinic.wantReady(metav1.ConditionTrue, v1alpha1.ReasonReady, "1 binding proved")
	platform.update(export())
	platform.reconcile()
	clinic.reconcile()
	clinic.wantReady(metav1.ConditionTrue, v1alpha1.ReasonReady, "") // the binding says so, not the plan in force
	clinic.update(func(object *v1alpha1.DPIDeployment) { object.Spec.Components[0].Version = "2.16.0" })
	clinic.reconcile()
	clinic.wantReady(metav1.ConditionFalse, v1alpha1.ReasonNotGranted, "but not to this one")
	if len(clinic.bindings()) != 1 || clinic.components()["he-ehr"] == nil {
		t.Error("something was torn down")
	}
}

func TestDeletionNamesTheUsersInOtherNamespaces(t *testing.T) {
	platform, clinic := neighbours(t)
	platform.update(export(v1alpha1.Grant{Namespace: clinic.namespace}))
	platform.reconcile()
	clinic.reconcile()
	component := platform.components()["he-db"]
	component.Finalizers = []string{v1alpha1.Finalizer}
	if err := cluster.Update(t.Context(), component); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Delete(t.Context(), platform.get()); err != nil {
		t.Fatal(err)
	}
	platform.reconcile()
	user := clinic.bindings()[0]
	platform.wantReady(metav1.ConditionFalse, v1alpha1.ReasonWaitingForConsumers, "Still used by other namespaces: binding "+client.ObjectKeyFromObject(&user).String())
}

func TestWhatIsOutsideTheNamespacesOfTheOperatorDoesNotExist(t *testing.T) {
	platform, clinic := neighbours(t)
	platform.update(export(v1alpha1.Grant{Namespace: clinic.namespace}))
	clinic.reconciler.Namespaces = []string{clinic.namespace}
	clinic.reconcile()
	clinic.wantReady(metav1.ConditionFalse, v1alpha1.ReasonUnknownDeployment, "which does not exist where the operator works")
}

func TestAdmissionRefusesTwoProvidersForOneRequirement(t *testing.T) {
	w := newWorld(t, false)
	object := &v1alpha1.DPIDeployment{ObjectMeta: metav1.ObjectMeta{Name: "he", Namespace: w.namespace}, Spec: v1alpha1.DPIDeploymentSpec{
		Environment: v1alpha1.EnvironmentDemo, Components: []v1alpha1.StackComponent{{Name: "ehr", Bindings: []v1alpha1.StackBinding{
			{Requirement: "database", Component: "db", From: &v1alpha1.ProviderReference{Deployment: "shared", Component: "db"}},
		}}},
	}}
	if err := cluster.Create(t.Context(), object); err == nil {
		t.Error("accepted")
	}
	template := &v1alpha1.StackTemplate{ObjectMeta: metav1.ObjectMeta{Name: "t", Namespace: w.namespace}, Spec: v1alpha1.StackTemplateSpec{
		Version: "1.0.0", DisplayName: "T", Components: []v1alpha1.StackComponent{{Name: "ehr", Good: "ehrbase", Bindings: []v1alpha1.StackBinding{
			{Requirement: "database", From: &v1alpha1.ProviderReference{Deployment: "shared", Component: "db"}},
		}}},
	}}
	if err := cluster.Create(t.Context(), template); err == nil {
		t.Error("a template names a namespace of one country")
	}
}
