package binding_test

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

func (w *world) onlyJob() batchv1.Job {
	w.t.Helper()
	jobs := w.jobs()
	if len(jobs) != 1 {
		w.t.Fatalf("want one Job, got %v", jobNames(jobs))
	}
	return jobs[0]
}

func TestAnybodyCanBringAProvisioner(t *testing.T) {
	w := newWorld(t)
	w.change(func(b *v1alpha1.Binding) {
		b.Spec.Provider.Provisioner, b.Spec.Verification.Method, b.Spec.Verification.Image = "desk", "desk-v1", "registry.example.org/desk-proof:1"
	})
	images := func(image string) func(*v1alpha1.Component) {
		return func(c *v1alpha1.Component) {
			c.Spec.Provisioners = []v1alpha1.ComponentProvisioner{{Contract: "postgresql-v1", Image: image}}
		}
	}
	want := func(image string) {
		t.Helper()
		job := w.onlyJob()
		container := job.Spec.Template.Spec.Containers[0]
		if container.Image != image || len(container.Command)+len(container.Args) > 0 {
			t.Errorf("%s runs %s %v %v, want %s as it is", job.Name, container.Image, container.Command, container.Args, image)
		}
		if security := job.Spec.Template.Spec.SecurityContext; !*security.RunAsNonRoot || !*container.SecurityContext.ReadOnlyRootFilesystem {
			t.Errorf("%s has more rights than the built-in ones", job.Name)
		}
	}
	w.changeComponent(images("registry.example.org/desk:1"))
	w.reconcile()
	want("registry.example.org/desk:1")
	w.finishJob(provision.ActionProvision, done())
	w.reconcile()
	want("registry.example.org/desk-proof:1")
	w.finishJob(provision.ActionVerify, done())
	w.reconcile()
	// Another image may do better: it is asked at once.
	w.changeComponent(images("registry.example.org/desk:2"))
	w.reconcile()
	want("registry.example.org/desk:2")
}

func TestABindingCannotChooseTheImageThatGetsTheAdminCredential(t *testing.T) {
	w := newWorld(t)
	w.change(func(b *v1alpha1.Binding) { b.Spec.Verification.Image = "registry.example.org/thief:1" })
	w.providerIsReady()
	w.reconcile()
	job := w.onlyJob()
	if image := job.Spec.Template.Spec.Containers[0].Image; image != "operator:test" || !strings.Contains(job.Name, "-provision-") {
		t.Errorf("%s runs %s", job.Name, image)
	}
	w.finishJob(provision.ActionProvision, done())
	w.reconcile()
	for _, volume := range w.onlyJob().Spec.Template.Spec.Volumes {
		if volume.Name == "admin" {
			t.Error("the proof gets the admin credential")
		}
	}
}
