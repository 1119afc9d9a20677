package main

import (
	"context"
	"fmt"
	"maps"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
)

// players is how many status writes of Deployments are under way at once.
const players = 8

// playWorkloads stands in for the workload controllers, which a bare API server does not have: every Deployment gets its
// ReplicaSet and is rolled out as soon as it is seen. It ends with the context.
func playWorkloads(ctx context.Context, config *rest.Config) error {
	own := rest.CopyConfig(config)
	own.UserAgent = "dpi-bench-workloads"
	clients, err := kubernetes.NewForConfig(own)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(clients, 0)
	seen := make(chan *appsv1.Deployment, 1024)
	tell := func(object any) {
		if deployment, ok := object.(*appsv1.Deployment); ok && deployment.Status.ObservedGeneration < deployment.Generation {
			seen <- deployment
		}
	}
	informer := factory.Apps().V1().Deployments().Informer()
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: tell, UpdateFunc: func(_, now any) { tell(now) },
	}); err != nil {
		return err
	}
	for range players {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case deployment := <-seen:
					rollOut(ctx, clients, deployment)
				}
			}
		}()
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return ctx.Err()
}

// rollOut makes the ReplicaSet, which Helm waits for, and says that all replicas are available. A conflict needs no retry:
// what changed the object tells of it again.
func rollOut(ctx context.Context, clients kubernetes.Interface, seen *appsv1.Deployment) {
	err := makeReplicaSet(ctx, clients, seen)
	if err == nil {
		_, err = clients.AppsV1().Deployments(seen.Namespace).UpdateStatus(ctx, rolledOut(seen), metav1.UpdateOptions{})
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "play the rollout of", seen.Name+":", err)
	}
}

func rolledOut(seen *appsv1.Deployment) *appsv1.Deployment {
	deployment := seen.DeepCopy()
	replicas, now := *deployment.Spec.Replicas, metav1.Now()
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation,
		Replicas:           replicas, UpdatedReplicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas,
		Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, LastTransitionTime: now, LastUpdateTime: now},
			{
				Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable",
				LastTransitionTime: now, LastUpdateTime: now,
			},
		},
	}
	return deployment
}

func makeReplicaSet(ctx context.Context, clients kubernetes.Interface, deployment *appsv1.Deployment) error {
	const hash = "bench"
	labels := map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: hash}
	maps.Copy(labels, deployment.Spec.Template.Labels)
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: deployment.Name + "-" + hash, Namespace: deployment.Namespace, Labels: labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(deployment, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: appsv1.ReplicaSetSpec{
			Replicas: deployment.Spec.Replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: *deployment.Spec.Template.DeepCopy(),
		},
	}
	set.Spec.Template.Labels = labels
	made, err := clients.AppsV1().ReplicaSets(set.Namespace).Create(ctx, set, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return err
	}
	replicas := *deployment.Spec.Replicas
	made.Status = appsv1.ReplicaSetStatus{
		ObservedGeneration: made.Generation,
		Replicas:           replicas, FullyLabeledReplicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas,
	}
	_, err = clients.AppsV1().ReplicaSets(set.Namespace).UpdateStatus(ctx, made, metav1.UpdateOptions{})
	return err
}
