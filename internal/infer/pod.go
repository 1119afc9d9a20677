package infer

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// pod collects what the pods of one object use, in the namespace of that object.
type pod struct {
	set

	namespace string
}

// needs adds a thing unless the reference to it is optional.
func (p pod) needs(kind, name string, optional *bool) {
	if optional == nil || !*optional {
		p.add(kind, p.namespace, name)
	}
}

func usePod(p pod, spec *corev1.PodSpec) {
	p.needs("ServiceAccount", spec.ServiceAccountName, nil)
	p.add("PriorityClass", "", spec.PriorityClassName)
	for _, reference := range spec.ImagePullSecrets {
		p.needs("Secret", reference.Name, nil)
	}
	for _, container := range slices.Concat(spec.InitContainers, spec.Containers) {
		useEnvironment(p, container)
	}
	for i := range spec.Volumes {
		useVolume(p, &spec.Volumes[i])
	}
}

func useEnvironment(p pod, container corev1.Container) {
	for _, source := range container.EnvFrom {
		if source.SecretRef != nil {
			p.needs("Secret", source.SecretRef.Name, source.SecretRef.Optional)
		}
		if source.ConfigMapRef != nil {
			p.needs("ConfigMap", source.ConfigMapRef.Name, source.ConfigMapRef.Optional)
		}
	}
	for _, variable := range container.Env {
		if variable.ValueFrom == nil {
			continue
		}
		if key := variable.ValueFrom.SecretKeyRef; key != nil {
			p.needs("Secret", key.Name, key.Optional)
		}
		if key := variable.ValueFrom.ConfigMapKeyRef; key != nil {
			p.needs("ConfigMap", key.Name, key.Optional)
		}
	}
}

func useVolume(p pod, volume *corev1.Volume) {
	if volume.Secret != nil {
		p.needs("Secret", volume.Secret.SecretName, volume.Secret.Optional)
	}
	if volume.ConfigMap != nil {
		p.needs("ConfigMap", volume.ConfigMap.Name, volume.ConfigMap.Optional)
	}
	if claim := volume.Ephemeral; claim != nil && claim.VolumeClaimTemplate != nil && claim.VolumeClaimTemplate.Spec.StorageClassName != nil {
		p.add("StorageClass", "", *claim.VolumeClaimTemplate.Spec.StorageClassName)
	}
	if volume.Projected == nil {
		return
	}
	for _, source := range volume.Projected.Sources {
		if source.Secret != nil {
			p.needs("Secret", source.Secret.Name, source.Secret.Optional)
		}
		if source.ConfigMap != nil {
			p.needs("ConfigMap", source.ConfigMap.Name, source.ConfigMap.Optional)
		}
	}
}
