package binding

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// ensureSupport makes the account of the Jobs. All it may do is write the one Secret that receives results. An account of that name that
// somebody else made could bring rights of its own, so it is refused.
func (p *pass) ensureSupport(ctx context.Context, at site, owner metav1.OwnerReference) error {
	rules := []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{at.result}, Verbs: []string{"patch"},
	}}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: at.account, Namespace: at.namespace}}
	var result corev1.Secret
	var account corev1.ServiceAccount
	var role rbacv1.Role
	var grant rbacv1.RoleBinding
	for _, each := range []struct {
		object client.Object
		name   string
		// fill states what the object is to be, and reports whether it was something else.
		fill func() bool
	}{
		{&result, at.result, func() bool { return false }},
		{&account, at.account, func() bool {
			changed := account.AutomountServiceAccountToken == nil || *account.AutomountServiceAccountToken
			account.AutomountServiceAccountToken = new(false)
			return changed
		}},
		{&role, at.account, func() bool {
			changed := !reflect.DeepEqual(role.Rules, rules)
			role.Rules = rules
			return changed
		}},
		{&grant, at.account, func() bool {
			changed := !reflect.DeepEqual(grant.Subjects, subjects)
			grant.Subjects = subjects
			grant.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: at.account}
			return changed
		}},
	} {
		if err := p.ensureOwn(ctx, each.object, p.metaAt(at, each.name, owner), each.fill); err != nil {
			return err
		}
	}
	return nil
}

// ensureOwn makes an object of the Jobs, or brings it back into shape. One of an earlier Job, which goes with that, is replaced.
func (p *pass) ensureOwn(ctx context.Context, object client.Object, meta metav1.ObjectMeta, fill func() bool) error {
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: meta.Namespace, Name: meta.Name}, object)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read %s of the provisioner: %w", meta.Name, err)
	}
	isOurs := slices.ContainsFunc(object.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.UID == meta.OwnerReferences[0].UID })
	switch {
	case err != nil:
		return p.createOwn(ctx, object, meta, fill)
	case isOurs:
		if !fill() {
			return nil
		}
		if err := p.Client.Update(ctx, object); err != nil {
			return fmt.Errorf("bring %s of the provisioner back into shape: %w", meta.Name, err)
		}
		return nil
	case p.wasOurs(object):
		if err := p.Client.Delete(ctx, object, client.Preconditions{UID: new(object.GetUID())}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete %s of an earlier Job: %w", meta.Name, err)
		}
		return p.createOwn(ctx, object, meta, fill)
	}
	return &refusal{reason: v1alpha1.ReasonForeignObject, message: fmt.Sprintf(
		"%s %s/%s exists and is not this binding's; delete or rename it", kindOf(object), meta.Namespace, meta.Name)}
}

func (p *pass) createOwn(ctx context.Context, object client.Object, meta metav1.ObjectMeta, fill func() bool) error {
	reflect.ValueOf(object).Elem().SetZero()
	object.SetName(meta.Name)
	object.SetNamespace(meta.Namespace)
	object.SetLabels(meta.Labels)
	object.SetOwnerReferences(meta.OwnerReferences)
	fill()
	if err := p.Client.Create(ctx, object); err != nil {
		return fmt.Errorf("make %s for the provisioner: %w", meta.Name, err)
	}
	return nil
}

// wasOurs reports whether an object was made for an earlier Job of this binding, or for an earlier binding of its name.
func (p *pass) wasOurs(object client.Object) bool {
	return object.GetLabels()[v1alpha1.BindingLabel] == p.object.Name && len(object.GetOwnerReferences()) > 0
}

func kindOf(object client.Object) string { return reflect.TypeOf(object).Elem().Name() }
