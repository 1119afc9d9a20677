package postgresql

import (
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

const (
	tagMark = "dpi-operator.io/binding"

	stateActive   = "active"
	stateRetained = "retained"
)

// tag is what the comment of a role or database says about whom it belongs to.
type tag struct {
	binding provision.Binding
	state   string
}

// String is the comment.
func (t tag) String() string {
	return strings.Join([]string{tagMark, "namespace=" + t.binding.Namespace, "name=" + t.binding.Name, "uid=" + t.binding.UID, "state=" + t.state}, " ")
}

// parseTag reads a comment; false means that it is none of ours.
func parseTag(comment string) (tag, bool) {
	words := strings.Fields(comment)
	if len(words) == 0 || words[0] != tagMark {
		return tag{}, false
	}
	var t tag
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "namespace":
			t.binding.Namespace = value
		case "name":
			t.binding.Name = value
		case "uid":
			t.binding.UID = value
		case "state":
			t.state = value
		}
	}
	return t, t.binding.UID != ""
}

// admits reports whether an object with this comment may be used by the binding: it made it, or a binding of the same name
// left it behind on purpose.
func admits(comment string, binding provision.Binding) bool {
	found, ok := parseTag(comment)
	if !ok {
		return false
	}
	return found.binding.UID == binding.UID ||
		found.state == stateRetained && found.binding.Namespace == binding.Namespace && found.binding.Name == binding.Name
}

// describeOwner says whom an object with this comment belongs to.
func describeOwner(comment string) string {
	if found, ok := parseTag(comment); ok {
		return "belongs to binding " + found.binding.Namespace + "/" + found.binding.Name + " (uid " + found.binding.UID + ")"
	}
	return "was not made by a binding"
}
