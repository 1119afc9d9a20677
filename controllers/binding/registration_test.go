package binding_test

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

func registers(mark string) []v1alpha1.ComponentRegistration {
	return []v1alpha1.ComponentRegistration{{Contract: "postgresql-v1", HTTP: v1alpha1.HTTPRegistration{
		Endpoint: "api",
		Objects: []v1alpha1.HTTPObject{{
			Name: "thing", Find: v1alpha1.HTTPFind{PathExpr: "['things']"}, OwnedExpr: mark,
			Fields: []v1alpha1.HTTPField{{Path: "name", Expr: "binding.name"}},
			Create: v1alpha1.HTTPWrite{PathExpr: "['things']"}, Delete: &v1alpha1.HTTPWrite{PathExpr: "['things']"},
		}},
	}}}
}

func (w *world) changeComponent(change func(*v1alpha1.Component)) {
	w.t.Helper()
	var provider v1alpha1.Component
	w.get("he-db", &provider)
	change(&provider)
	if err := cluster.Update(w.t.Context(), &provider); err != nil {
		w.t.Fatal(err)
	}
	w.providerIsReady()
}

func (w *world) requested() provision.Request {
	w.t.Helper()
	var config corev1.ConfigMap
	w.get(name+"-request", &config)
	var request provision.Request
	if err := json.Unmarshal([]byte(config.Data["request.json"]), &request); err != nil {
		w.t.Fatal(err)
	}
	return request
}

func TestARegistrationIsTheProvidersWord(t *testing.T) {
	w := newWorld(t)
	object := w.binding()
	object.Spec.Provider.Provisioner = v1alpha1.ProvisionerHTTP
	if err := cluster.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	w.changeComponent(func(c *v1alpha1.Component) {
		c.Spec.Registrations = registers("'first' == ''")
		c.Spec.Endpoints = []v1alpha1.Endpoint{{Name: "sql", URL: "tcp://db:5432", Host: "db", Port: 5432}, {Name: "api", URL: "https://db:8080", Host: "db", Port: 8080}}
	})
	w.reconcile()
	request := w.requested()
	if request.API == nil || request.API.URL != "https://db:8080" || request.Endpoint.URL != "tcp://db:5432" || !strings.Contains(string(request.HTTP), "'first'") {
		t.Errorf("got api %v, endpoint %v, http %s", request.API, request.Endpoint, request.HTTP)
	}
	w.finishJob(provision.ActionProvision, done())
	w.reconcile()
	// The proof needs none of it.
	if request := w.requested(); request.HTTP != nil || request.API != nil {
		t.Errorf("the proof got api %v, http %s", request.API, request.HTTP)
	}
	w.finishJob(provision.ActionVerify, done())
	w.reconcile()
	// What changes there is provisioned anew.
	w.changeComponent(func(c *v1alpha1.Component) { c.Spec.Registrations = registers("'second' == ''") })
	w.reconcile()
	if jobs := w.jobs(); len(jobs) != 1 || !strings.Contains(jobs[0].Name, "-provision-") {
		t.Fatalf("want it provisioned anew, got %v", jobNames(jobs))
	}
	if request := w.requested(); !strings.Contains(string(request.HTTP), "'second'") {
		t.Errorf("got http %s", request.HTTP)
	}
}
