package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// longestHook is how long a hook's Job runs at most.
const longestHook = 150 * time.Millisecond

// controllers are those that Kubernetes would bring: of Jobs, of Deployments, and the garbage collector.
type controllers struct {
	typed             kubernetes.Interface
	jobs, deployments cache.Store

	mu   sync.Mutex
	runs map[types.UID]run
	held map[string]bool
	due  map[types.UID]time.Time
}

// run is one run of a hook.
type run struct{ namespace, job, attempt string }

func playControllers(ctx context.Context, typed kubernetes.Interface) (*controllers, error) {
	c := &controllers{typed: typed, runs: map[types.UID]run{}, held: map[string]bool{}, due: map[types.UID]time.Time{}}
	factory := informers.NewSharedInformerFactory(typed, 0)
	jobs, deployments := factory.Batch().V1().Jobs().Informer(), factory.Apps().V1().Deployments().Informer()
	if _, err := jobs.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: c.count}); err != nil {
		return nil, err
	}
	c.jobs, c.deployments = jobs.GetStore(), deployments.GetStore()
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return nil, fmt.Errorf("watch %s: not synced", kind)
		}
	}
	go c.play(ctx)
	return c, nil
}

// count notes each Job ever made by its UID.
func (c *controllers) count(object any) {
	job := object.(*batchv1.Job)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs[job.UID] = run{namespace: job.Namespace, job: job.Name, attempt: job.Annotations["dpi-operator.io/attempt-id"]}
	c.due[job.UID] = time.Now().Add(rand.N(longestHook))
}

// takeRuns lists the runs of hooks in a namespace that were not listed before.
func (c *controllers) takeRuns(namespace string) []run {
	c.mu.Lock()
	defer c.mu.Unlock()
	var taken []run
	for uid, each := range c.runs {
		if each.namespace == namespace {
			taken = append(taken, each)
			delete(c.runs, uid)
		}
	}
	return taken
}

// hold keeps the Jobs of a namespace running until they are let go.
func (c *controllers) hold(namespace string, is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[namespace] = is
}

func (c *controllers) play(ctx context.Context) {
	for ctx.Err() == nil {
		for _, object := range c.jobs.List() {
			c.playJob(ctx, object.(*batchv1.Job))
		}
		for _, object := range c.deployments.List() {
			c.playDeployment(ctx, object.(*appsv1.Deployment))
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *controllers) isDue(job *batchv1.Job) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.held[job.Namespace] && time.Now().After(c.due[job.UID])
}

// playJob finishes a Job as its annotation says.
func (c *controllers) playJob(ctx context.Context, job *batchv1.Job) {
	if len(job.Status.Conditions) > 0 || job.DeletionTimestamp != nil || !c.isDue(job) {
		return
	}
	job = job.DeepCopy()
	now := metav1.Now()
	job.Status.StartTime = &now
	results := []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete}
	if job.Annotations["test/outcome"] == string(batchv1.JobFailed) {
		results = []batchv1.JobConditionType{batchv1.JobFailureTarget, batchv1.JobFailed}
	} else {
		job.Status.CompletionTime = &now
	}
	for _, kind := range results {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
			Type: kind, Status: corev1.ConditionTrue, Reason: "Played", Message: "by the test", LastTransitionTime: now,
		})
	}
	tolerate(c.typed.BatchV1().Jobs(job.Namespace).UpdateStatus(ctx, job, metav1.UpdateOptions{}))
}

// playDeployment rolls out each generation, and lets go of what is deleted in the foreground.
func (c *controllers) playDeployment(ctx context.Context, deployment *appsv1.Deployment) {
	if deployment.DeletionTimestamp != nil {
		c.release(ctx, deployment)
		return
	}
	if deployment.Status.ObservedGeneration == deployment.Generation || !c.mayBeReady(deployment) {
		return
	}
	deployment = deployment.DeepCopy()
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1,
	}
	for kind, reason := range map[appsv1.DeploymentConditionType]string{
		appsv1.DeploymentAvailable: "Played", appsv1.DeploymentProgressing: "NewReplicaSetAvailable",
	} {
		deployment.Status.Conditions = append(deployment.Status.Conditions, appsv1.DeploymentCondition{
			Type: kind, Status: corev1.ConditionTrue, Reason: reason, LastTransitionTime: metav1.Now(), LastUpdateTime: metav1.Now(),
		})
	}
	tolerate(c.typed.AppsV1().Deployments(deployment.Namespace).UpdateStatus(ctx, deployment, metav1.UpdateOptions{}))
}

func (c *controllers) mayBeReady(deployment *appsv1.Deployment) bool {
	hook := deployment.Annotations["test/ready-after"]
	if hook == "" {
		return true
	}
	object, found, err := c.jobs.GetByKey(deployment.Namespace + "/" + hook)
	return err == nil && found && object.(*batchv1.Job).Status.CompletionTime != nil
}

func (c *controllers) release(ctx context.Context, deployment *appsv1.Deployment) {
	if !slices.Contains(deployment.Finalizers, metav1.FinalizerDeleteDependents) {
		return
	}
	deployment = deployment.DeepCopy()
	deployment.Finalizers = slices.DeleteFunc(deployment.Finalizers, func(f string) bool { return f == metav1.FinalizerDeleteDependents })
	tolerate(c.typed.AppsV1().Deployments(deployment.Namespace).Update(ctx, deployment, metav1.UpdateOptions{}))
}

// tolerate takes any result: what was changed or removed meanwhile is looked at again in a moment, and what keeps failing
// shows in what the tests wait for.
func tolerate(metav1.Object, error) {}
