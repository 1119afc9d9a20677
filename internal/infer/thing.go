package infer

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// MaxThings bounds what is kept of a component's things; the rest is dropped, least telling kinds first.
const MaxThings = 64

// Thing is something that one component brings and another may use: `Kind/name`, or `Kind/namespace/name` where it lies in
// another namespace than the release. A custom kind is `Kind/<Kind>.<group>`.
type Thing string

// kinds of things, most telling first.
var kinds = []string{
	kindKind, "Namespace", "StorageClass", "IngressClass", "PriorityClass", "ClusterIssuer", "Issuer", "Secret", "ServiceAccount", "ConfigMap",
}

// groups of the kinds of things, where they have one.
var groups = map[string]schema.GroupVersion{
	"StorageClass":  {Group: "storage.k8s.io", Version: "v1"},
	"IngressClass":  {Group: "networking.k8s.io", Version: "v1"},
	"PriorityClass": {Group: "scheduling.k8s.io", Version: "v1"},
	"ClusterIssuer": {Group: issuerGroup, Version: "v1"},
	"Issuer":        {Group: issuerGroup, Version: "v1"},
}

const (
	kindKind    = "Kind"
	issuerGroup = "cert-manager.io"
)

// String words a thing for people: `StorageClass fast`, `kind Widget.example.org`.
func (t Thing) String() string {
	kind, name, _ := strings.Cut(string(t), "/")
	if kind == kindKind {
		kind = "kind"
	}
	return kind + " " + name
}

// Object returns the object that a thing is, in the namespace of the release where it says no other; false for a custom kind.
func (t Thing) Object(namespace string) (render.ID, bool) {
	parts := strings.Split(string(t), "/")
	if parts[0] == kindKind || len(parts) < 2 {
		return render.ID{}, false
	}
	version := cmp.Or(groups[parts[0]], schema.GroupVersion{Version: "v1"})
	id := render.ID{Group: version.Group, Version: version.Version, Kind: parts[0], Name: parts[len(parts)-1]}
	switch {
	case render.IsBuiltinClusterScoped(id.GVK().GroupKind()), id.Kind == "ClusterIssuer":
	case len(parts) > 2:
		id.Namespace = parts[1]
	default:
		id.Namespace = namespace
	}
	return id, true
}

func (t Thing) rank() int {
	kind, _, _ := strings.Cut(string(t), "/")
	return slices.Index(kinds, kind)
}

// set collects things.
type set struct {
	namespace string
	things    map[Thing]bool
}

func newSet(namespace string) set { return set{namespace: namespace, things: map[Thing]bool{}} }

func (s set) add(kind, namespace, name string) {
	switch {
	case name == "":
	case namespace == "" || namespace == s.namespace:
		s.things[Thing(kind+"/"+name)] = true
	default:
		s.things[Thing(kind+"/"+namespace+"/"+name)] = true
	}
}

func (s set) addKind(group, kind string) {
	s.things[Thing(kindKind+"/"+kind+"."+group)] = true
}

// bounded returns the most telling things, sorted by name.
func (s set) bounded() []Thing {
	things := make([]Thing, 0, len(s.things))
	for thing := range s.things {
		things = append(things, thing)
	}
	slices.SortFunc(things, byRank)
	things = things[:min(len(things), MaxThings)]
	slices.Sort(things)
	return things
}

func byRank(a, b Thing) int { return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a, b)) }
