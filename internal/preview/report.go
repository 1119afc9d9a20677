package preview

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/internal/plan"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// State is what would become of an object or of a binding.
type State string

// States.
const (
	Create    State = "create"
	Update    State = "change"
	Unchanged State = "unchanged"
	Remove    State = "remove"
	// Keep means that it is no longer wanted and stays all the same.
	Keep State = "keep"
	// Unknown means that the cluster could not tell, or refuses it.
	Unknown State = "unknown"
)

// Pair is one object as it is and as it would be.
type Pair struct {
	ID render.ID
	// Before is nil for an object that is not there; After is nil for one that goes or that the cluster did not work out.
	Before, After *unstructured.Unstructured
	// State, where the versions alone do not say it.
	State State
	// Note says why it could not be compared, or why it stays.
	Note string
	// Breaks lists how a definition would harm objects that exist.
	Breaks []string
}

// Comparison is one release as it is and as it would be.
type Comparison struct {
	// Operation that would begin; empty where the release is as wanted.
	Operation string
	// Revision of the release that is there, 0 if none.
	Revision int
	Pairs    []Pair
	// Hooks that would run, in order: their event and object.
	Hooks []string
	// Refused says why nothing would be done.
	Refused string
	// Skipped says why it was not compared.
	Skipped string
}

// Object is what would become of one object.
type Object struct {
	render.ID
	State State `json:"state"`
	// Changes of its fields, for State Update.
	Changes []Change `json:"changes,omitempty"`
	// Restarts tells that its pods are replaced.
	Restarts bool     `json:"restarts,omitempty"`
	Note     string   `json:"note,omitempty"`
	Breaks   []string `json:"breaks,omitempty"`
}

// Component is what would become of one component.
type Component struct {
	Name   string      `json:"name"`
	Action plan.Action `json:"action"`
	// Release, its revision now, and the operation that would begin.
	Release   string `json:"release,omitempty"`
	Revision  int    `json:"revision,omitempty"`
	Operation string `json:"operation,omitempty"`
	// Settings that change in its specification. Values and patches are left out where their effect on objects is known.
	Settings []Change `json:"settings,omitempty"`
	Objects  []Object `json:"objects,omitempty"`
	// Restarts names the workloads whose pods are replaced.
	Restarts []string `json:"restarts,omitempty"`
	Hooks    []string `json:"hooks,omitempty"`
	Refused  string   `json:"refused,omitempty"`
	Skipped  string   `json:"skipped,omitempty"`
}

// Edge is what would become of one binding.
type Edge struct {
	Name        string `json:"name"`
	State       State  `json:"state"`
	Consumer    string `json:"consumer"`
	Requirement string `json:"requirement"`
	Provider    string `json:"provider"`
	Contract    string `json:"contract"`
	// Behind is who provides in the end, where the provider is a mediator.
	Behind string `json:"behind,omitempty"`
	// Publishes is the contract under which the provider, a mediator, leads others to the consumer.
	Publishes string `json:"publishes,omitempty"`
	// Preparation is the step that is done at the provider, where nobody consumes.
	Preparation string `json:"preparation,omitempty"`
	// Parameters asked for and the names of the outputs, of a new binding.
	Parameters map[string]any `json:"parameters,omitempty"`
	Outputs    []string       `json:"outputs,omitempty"`
	Changes    []Change       `json:"changes,omitempty"`
}

// Report is what a plan would change.
type Report struct {
	// Revision is the number of the StackRevision that the plan is or would become, InForce that of the one in force.
	Revision int64 `json:"revision,omitempty"`
	InForce  int64 `json:"inForce,omitempty"`
	// Stored tells that the StackRevision exists.
	Stored bool `json:"stored,omitempty"`
	// Approval says whether a person has to approve it.
	Approval string `json:"approval,omitempty"`
	// Compared tells that objects were compared with those of a cluster.
	Compared   bool        `json:"compared"`
	Components []Component `json:"components"`
	Wiring     []Edge      `json:"wiring,omitempty"`
	// Objects counts them by state.
	Objects map[State]int `json:"objects,omitempty"`
	// WouldChange is false if putting the plan in force is known to leave everything as it is.
	WouldChange bool `json:"wouldChange"`
}
