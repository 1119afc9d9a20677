package apply

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

var (
	// ErrKindMissing means that the cluster does not serve a kind.
	ErrKindMissing = errors.New("kind not served by the cluster")
	// ErrNamespaceMissing means that the object's namespace does not exist.
	ErrNamespaceMissing = errors.New("namespace does not exist")
	// ErrForeign means that an object belongs to somebody else.
	ErrForeign = errors.New("object belongs to somebody else")
	// ErrImmutable means that a change needs the object to be made again.
	ErrImmutable = errors.New("a field that cannot change would change")
	// ErrRefused means that the cluster looked at the object and said no; trying the same again does not help.
	ErrRefused = errors.New("object refused by the cluster")
	// ErrTerminating means that an object of that name is being deleted; apply again when it is gone.
	ErrTerminating = errors.New("object is being deleted")
)

// KindMissingError names the kind. It matches ErrKindMissing.
type KindMissingError struct{ GVK schema.GroupVersionKind }

// Error says what would help.
func (e *KindMissingError) Error() string {
	return fmt.Sprintf("the cluster does not serve %s %s: install what brings its CustomResourceDefinition first",
		e.GVK.GroupVersion(), e.GVK.Kind)
}

// Is matches ErrKindMissing.
func (e *KindMissingError) Is(target error) bool { return target == ErrKindMissing }

// ObjectError is a finding about one object. It matches the package's Err value in Kind.
type ObjectError struct {
	ID render.ID
	// Kind is one of ErrForeign, ErrNamespaceMissing, ErrImmutable, ErrRefused, ErrTerminating.
	Kind error
	// Detail is for people; it holds no secret values.
	Detail string
}

// Error names the object and what to do.
func (e *ObjectError) Error() string { return e.ID.String() + ": " + e.Detail }

// Is matches the kind of finding.
func (e *ObjectError) Is(target error) bool { return target == e.Kind }
