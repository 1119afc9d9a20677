package binding

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/naming"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

const (
	// jobDeadline bounds one attempt in seconds.
	jobDeadline = 180
	// jobUser is the numeric user of the operator's image.
	jobUser = 10001
	// resultDir is where a provisioner leaves its result besides publishing it.
	resultDir = "/dpi/result"
)

// jobName is the same for the same attempt at the same inputs, so that a Job that was started is found again.
func (p *pass) jobName(next step) string {
	inputs, attempts := p.seen.provision, p.object.Status.Attempts
	if p.leaving {
		inputs = digest(p.provisionParts()...)
	}
	switch next {
	case stepVerify:
		inputs = p.seen.verify + p.lastProof()
	case stepPrepare:
		inputs += p.lastProof()
	case stepNone, stepProvision, stepRevoke, stepStage, stepProve, stepRetire, stepLeave:
	}
	if next.ofRotation() {
		inputs, attempts = p.rotationDigest(), p.object.Status.Rotation.Attempts
	}
	return naming.Join(naming.ObjectMax, p.object.Name, string(next), digest(p.object.UID, inputs)[:8], strconv.Itoa(int(attempts)))
}

// lastProof tells a repeated proof from the one before it.
func (p *pass) lastProof() string {
	if p.object.Status.VerifiedAt == nil {
		return ""
	}
	return p.object.Status.VerifiedAt.UTC().String()
}

// meta is that of an object in the binding's namespace, which goes with the binding.
func (p *pass) meta(name string) metav1.ObjectMeta {
	return p.metaAt(site{namespace: p.object.Namespace}, name, p.owner())
}

func (p *pass) metaAt(at site, name string, owners ...metav1.OwnerReference) metav1.ObjectMeta {
	labels := p.labels()
	if at.away {
		labels = p.awayLabels()
	}
	return metav1.ObjectMeta{Name: name, Namespace: at.namespace, Labels: labels, OwnerReferences: owners}
}

func (p *pass) owner() metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "Binding", Name: p.object.Name, UID: p.object.UID,
		Controller: new(true), BlockOwnerDeletion: new(true),
	}
}

// ensureRequest writes what the Job is asked to do. It holds no secret.
func (p *pass) ensureRequest(ctx context.Context, next step, id string, owner metav1.OwnerReference) error {
	source, err := p.source(ctx, next)
	if err != nil {
		return err
	}
	data, err := json.Marshal(p.request(next, id, source))
	if err != nil {
		return err
	}
	at := p.site(next, id)
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: at.request, Namespace: at.namespace}}
	_, err = controllerutil.CreateOrUpdate(ctx, p.Client, config, func() error {
		wanted := p.metaAt(at, at.request, owner)
		config.Labels, config.OwnerReferences = wanted.Labels, wanted.OwnerReferences
		config.Data = map[string]string{"request.json": string(data)}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	return nil
}

// request is what the Job is asked. Of the Secret it works with it may repeat public keys only.
func (p *pass) request(next step, id string, source *corev1.Secret) provision.Request {
	spec := p.object.Spec
	request := provision.Request{
		APIVersion: provision.APIVersion, ID: id, Action: next.action(), Handler: spec.Provider.Provisioner, Contract: spec.Contract,
		Binding:    provision.Binding{UID: p.identity, Namespace: p.object.Namespace, Name: p.object.Name},
		Outputs:    map[string]string{},
		DataPolicy: provision.DataPolicy(spec.DeletionPolicy),
	}
	if p.object.DeletionTimestamp.IsZero() || p.leaving {
		// The provider's owner ends an access, or it is ended where it is not used any more; what becomes of the data is the consumer's to
		// say, when it goes.
		request.DataPolicy = provision.RetainData
	}
	parameters := spec.Parameters
	if next.action() == provision.ActionVerify {
		request.Handler = spec.Verification.Method
	} else {
		registration := spec.GetRegistration()
		request.Contract, parameters = string(registration.Contract), registration.Parameters
	}
	if parameters != nil {
		request.Parameters = parameters.Raw
	}
	if endpoint := spec.Provider.Endpoint; endpoint != nil {
		request.Endpoint = provision.Endpoint{Host: endpoint.Host, Port: endpoint.Port, URL: endpoint.URL}
	}
	if p.seen.registration != nil && next.action() != provision.ActionVerify {
		p.addRegistration(&request)
	}
	p.addOutputs(&request, next, source)
	return request
}

// addOutputs states the values that are decided: those the step works with, and where some are to go, their alternates.
func (p *pass) addOutputs(request *provision.Request, next step, source *corev1.Secret) {
	if next == stepRetire || next == stepRevoke {
		request.Retired = map[string]string{}
	}
	for _, output := range p.object.Spec.Outputs {
		if known := p.heldBySecret(output, source); known != "" {
			request.Outputs[output.Name] = known
			continue
		}
		value, other := inForce(output, p.inForceData()), notInForce(output, p.inForceData())
		if next.isStaged() && other != nil {
			value, other = other, value
		}
		if value != nil {
			request.Outputs[output.Name] = *value
		}
		if request.Retired != nil && other != nil {
			request.Retired[output.Name] = *other
		}
	}
}

// heldBySecret is the value of an output that only the Secret tells: the public half of a key, or the login's name that somebody
// chose who handed the credentials over.
func (p *pass) heldBySecret(output v1alpha1.BindingOutput, source *corev1.Secret) string {
	switch {
	case output.PublicOf != "" && source != nil:
		return string(source.Data[output.Name])
	case p.object.Spec.Given != "" && output.Alternate != nil:
		return string(p.inForceData()[output.Name])
	}
	return ""
}

// addRegistration states how the provider registers consumers over HTTP, and where.
func (p *pass) addRegistration(request *provision.Request) {
	// What came from the API can always be written as JSON.
	request.HTTP, _ = json.Marshal(p.seen.registration)
	if api := p.seen.api; api != nil {
		request.API = &provision.Endpoint{Host: api.Host, Port: api.Port, URL: api.URL}
	}
}

// credentialsVolume is the Secret that a step works with, for a Job in the same namespace. Only the consumer's own proof gets
// private keys.
func (p *pass) credentialsVolume(ctx context.Context, next step, at site) (corev1.VolumeSource, error) {
	volume := corev1.SecretVolumeSource{SecretName: at.credentials, Optional: new(next == stepRevoke)}
	private := map[string]bool{}
	for _, output := range p.object.Spec.Outputs {
		if output.IsPrivateKey() {
			private[output.Name] = true
		}
	}
	if at.away || len(private) == 0 || next.action() == provision.ActionVerify {
		return corev1.VolumeSource{Secret: &volume}, nil
	}
	source, err := p.source(ctx, next)
	if err != nil {
		return corev1.VolumeSource{}, err
	}
	if source != nil {
		for _, key := range slices.Sorted(maps.Keys(source.Data)) {
			if !private[key] {
				volume.Items = append(volume.Items, corev1.KeyToPath{Key: key, Path: key})
			}
		}
	}
	if len(volume.Items) == 0 {
		// No list at all would mean every key.
		return corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}, nil
	}
	return corev1.VolumeSource{Secret: &volume}, nil
}

// imageOfItsOwn is the image that carries out the step where the operator's own does not.
func (p *pass) imageOfItsOwn(next step) string {
	if next.action() == provision.ActionVerify {
		return p.object.Spec.Verification.Image
	}
	return p.seen.provisioner
}

// newJob runs the provisioner with the Secrets its action needs, and with no others.
func (p *pass) newJob(next step, name string, credentials corev1.VolumeSource) *batchv1.Job {
	at := p.site(next, name)
	volumes := []corev1.Volume{
		{Name: "request", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: at.request}}}},
		{Name: "credentials", VolumeSource: credentials},
		{Name: "result", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}
	mounts := []corev1.VolumeMount{
		{Name: "request", MountPath: strings.TrimSuffix(provision.RequestPath, "/request.json"), ReadOnly: true},
		{Name: "credentials", MountPath: provision.CredentialsDir, ReadOnly: true},
		{Name: "result", MountPath: resultDir},
		{Name: "tmp", MountPath: "/tmp"},
	}
	if admin := p.object.Spec.Provider.AdminSecretName; admin != "" && next.action() != provision.ActionVerify {
		volumes = append(volumes, corev1.Volume{Name: "admin", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: admin}}})
		mounts = append(mounts, corev1.VolumeMount{Name: "admin", MountPath: provision.AdminDir, ReadOnly: true})
	}
	container := corev1.Container{
		Name: "provisioner", Image: p.Image, Command: []string{"/provisioner"}, Args: []string{"run"}, VolumeMounts: mounts,
		Env: []corev1.EnvVar{
			{Name: provision.ResultSecretEnv, Value: at.result},
			{Name: provision.ResultNamespaceEnv, Value: at.namespace},
		},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")},
		},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
	if image := p.imageOfItsOwn(next); image != "" {
		container.Image, container.Command, container.Args = image, nil, nil
		container.Resources.Limits[corev1.ResourceMemory] = resource.MustParse("512Mi")
	}
	meta := p.meta(name)
	if at.away {
		meta = p.metaAt(at, name)
	}
	return &batchv1.Job{
		ObjectMeta: meta,
		Spec: batchv1.JobSpec{
			BackoffLimit: new(int32(0)), ActiveDeadlineSeconds: new(int64(jobDeadline)),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: meta.Labels},
				Spec: corev1.PodSpec{
					RestartPolicy: corev1.RestartPolicyNever, ServiceAccountName: at.account, AutomountServiceAccountToken: new(true),
					EnableServiceLinks: new(false), Volumes: volumes, Containers: []corev1.Container{container},
					SecurityContext: &corev1.PodSecurityContext{
						RunAsNonRoot: new(true), RunAsUser: new(int64(jobUser)), RunAsGroup: new(int64(jobUser)), FSGroup: new(int64(jobUser)),
						SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
					},
				},
			},
		},
	}
}
