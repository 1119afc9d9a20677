package parity_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

// resultLabel on a Job says how it ends; without it, it completes.
const resultLabel = "parity.example.org/result"

var (
	config *rest.Config
	// shared has one discovery for all tests, as the operator has one for all releases.
	shared *apply.Cluster
	// people look at the cluster and change it with it.
	people client.WithWatch
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Releases mostly wait for the API server, so that more of them at once than there are processors are done sooner.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(testenv.Run(m, testenv.Options{}, func(ctx context.Context, ready *rest.Config) {
		config = ready
		// Charts of the corpus are odd on purpose.
		config.WarningHandler = rest.NoWarnings{}
		var errs [3]error
		shared, errs[0] = apply.NewCluster(config)
		people, errs[1] = client.NewWithWatch(config, client.Options{})
		if err := errors.Join(errs[:]...); err != nil {
			panic(err)
		}
		playControllers(ctx)
	}))
}

// playControllers does what a cluster's controllers would: Jobs finish, and what is deleted in the foreground disappears.
func playControllers(ctx context.Context) {
	go follow(ctx, &batchv1.JobList{}, finish)
	for _, list := range []client.ObjectList{
		&appsv1.DeploymentList{}, &appsv1.StatefulSetList{}, &batchv1.JobList{}, &batchv1.CronJobList{}, &corev1.PersistentVolumeClaimList{},
	} {
		go follow(ctx, list, collect)
	}
}

// follow hands each object that appears or changes anywhere to a player, until the context ends.
func follow(ctx context.Context, list client.ObjectList, play func(context.Context, client.Object) error) {
	for ctx.Err() == nil {
		watch, err := people.Watch(ctx, list)
		if err != nil {
			if ctx.Err() == nil {
				panic(err)
			}
			return
		}
		for event := range watch.ResultChan() {
			object, ok := event.Object.(client.Object)
			if !ok {
				break
			}
			// Whoever changed the object meanwhile made another event.
			if err := play(ctx, object); err != nil && !isOvertaken(err) && ctx.Err() == nil {
				panic(err)
			}
		}
		watch.Stop()
	}
}

func finish(ctx context.Context, object client.Object) error {
	job := object.(*batchv1.Job)
	if len(job.Status.Conditions) > 0 || job.DeletionTimestamp != nil || strings.HasPrefix(job.Name, markerPrefix) {
		return nil
	}
	now := metav1.Now()
	before, result := batchv1.JobSuccessCriteriaMet, batchv1.JobComplete
	if job.Labels[resultLabel] == "failed" {
		before, result = batchv1.JobFailureTarget, batchv1.JobFailed
	} else {
		job.Status.CompletionTime = &now
	}
	job.Status.StartTime = &now
	for _, kind := range []batchv1.JobConditionType{before, result} {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
			Type: kind, Status: corev1.ConditionTrue, Reason: "Played", Message: "by the test", LastTransitionTime: now,
		})
	}
	return people.Status().Update(ctx, job)
}

func collect(ctx context.Context, object client.Object) error {
	awaited := []string{metav1.FinalizerDeleteDependents, "kubernetes.io/pvc-protection"}
	left := slices.DeleteFunc(slices.Clone(object.GetFinalizers()), func(f string) bool { return slices.Contains(awaited, f) })
	if object.GetDeletionTimestamp() == nil || len(left) == len(object.GetFinalizers()) {
		return nil
	}
	before := object.DeepCopyObject().(client.Object)
	object.SetFinalizers(left)
	return people.Patch(ctx, object, client.MergeFrom(before))
}
