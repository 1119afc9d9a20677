package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// APIVersion is the version of requests and results. It changes when a program written for it would misunderstand them.
const APIVersion = "provision.dpi-operator.io/v1"

// Where a Job finds and leaves everything. The operator mounts them so; programs may be told otherwise for tests.
const (
	// RequestPath is the file with the Request, from a ConfigMap.
	RequestPath = "/dpi/request/request.json"
	// AdminDir has one file per key of the provider's admin credential; verify Jobs do not have it.
	AdminDir = "/dpi/admin"
	// CredentialsDir has one file per key of the binding's Secret.
	CredentialsDir = "/dpi/credentials"
	// ResultPath is the file that receives the Result.
	ResultPath = "/dpi/result/result.json"
	// ResultKey is the key in the result Secret that receives the Result.
	ResultKey = "result.json"
	// ResultSecretEnv names the Secret, made beforehand, that receives the Result; empty means the file only.
	ResultSecretEnv = "RESULT_SECRET"
	// ResultNamespaceEnv names the namespace of that Secret.
	ResultNamespaceEnv = "RESULT_NAMESPACE"
)

// Action is what a Job is for.
type Action string

// Actions.
const (
	// ActionProvision makes what the consumer asked for, with the admin credential, beside the provider.
	ActionProvision Action = "provision"
	// ActionVerify proves the edge with the consumer's credentials, beside the consumer.
	ActionVerify Action = "verify"
	// ActionRetire ends the access of credentials that a rotation replaced, with the admin credential, beside the provider.
	// Those in force stay as they are.
	ActionRetire Action = "retire"
	// ActionRevoke ends the consumer's access, with the admin credential, beside the provider.
	ActionRevoke Action = "revoke"
)

// DataPolicy says what a revocation does to data. The values are those of the API's deletionPolicy.
type DataPolicy string

// Data policies; empty means RetainData.
const (
	RetainData DataPolicy = "RetainData"
	DeleteData DataPolicy = "DeleteData"
)

// Request is what a Job is asked to do. It holds no secret: it is stored in a ConfigMap.
type Request struct {
	// APIVersion is APIVersion.
	APIVersion string `json:"apiVersion"`
	// ID is handed back in the result, so that the reader knows which request it answers. Any string.
	ID string `json:"id,omitempty"`
	// Action is what to do.
	Action Action `json:"action"`
	// Handler names who does it: the provisioner of the provider's entry (postgresql, keycloak) for provision, retire and revoke,
	// the verification method of the contract (postgresql-v1, oidc-issuer-v1, …) for verify.
	Handler string `json:"handler"`
	// Contract the edge keeps, e.g. postgresql-v1.
	Contract string `json:"contract"`
	// Binding the work is for.
	Binding Binding `json:"binding"`
	// Endpoint of the provider.
	Endpoint Endpoint `json:"endpoint"`
	// API is, for http-upsert, where the provider's API is; empty means Endpoint.
	API *Endpoint `json:"api,omitempty"`
	// HTTP is, for http-upsert, what the provider's entry says about the registration, as the API type HTTPRegistration has it.
	HTTP json.RawMessage `json:"http,omitempty"`
	// Parameters are the contract's consumer parameters with their defaults filled in.
	Parameters json.RawMessage `json:"parameters,omitempty"`
	// Outputs are the values of the binding's Secret that are known and not secret: names the provisioner has to use.
	Outputs map[string]string `json:"outputs,omitempty"`
	// Retired are, for retire, the values of outputs that are no longer in force. For revoke they are, of outputs whose values
	// alternate, those that are not in force: a rotation may have made something of them already, or left it, and it goes, too.
	// Absent means that there are none.
	Retired map[string]string `json:"retired,omitempty"`
	// DataPolicy is for revoke.
	DataPolicy DataPolicy `json:"dataPolicy,omitempty"`
}

// Binding identifies the edge. Objects made at the provider carry all three.
type Binding struct {
	UID       string `json:"uid"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// Endpoint is where the provider listens.
type Endpoint struct {
	Host string `json:"host"`
	Port int32  `json:"port"`
	URL  string `json:"url,omitempty"`
}

// Phase is how a request ended.
type Phase string

// Phases.
const (
	// PhaseDone means that the postconditions hold; every check is ok.
	PhaseDone Phase = "done"
	// PhaseWaiting means that someone else has to act first; the message says who and what.
	PhaseWaiting Phase = "waiting"
	// PhaseRetry means that the same request may succeed later by itself, e.g. the provider is starting.
	PhaseRetry Phase = "retry"
	// PhaseFailed means that the same request will fail again unless something changes.
	PhaseFailed Phase = "failed"
)

// Result is what a Job leaves.
type Result struct {
	// APIVersion is APIVersion.
	APIVersion string `json:"apiVersion"`
	// ID of the request this answers.
	ID string `json:"id,omitempty"`
	// Phase is how it ended.
	Phase Phase `json:"phase"`
	// Reason is a CamelCase constant; docs/provisioner-protocol.md lists those of the built-in handlers with their cures.
	Reason string `json:"reason"`
	// Message is one line for people, without secrets.
	Message string `json:"message,omitempty"`
	// Outputs are minted by the provider. They may be secret, which is why results are kept in Secrets.
	Outputs map[string]string `json:"outputs,omitempty"`
	// Checks are the postconditions that were looked at.
	Checks []Check `json:"checks,omitempty"`
}

// Check is one postcondition.
type Check struct {
	// Name of the postcondition.
	Name string `json:"name"`
	// OK tells whether it holds.
	OK bool `json:"ok"`
	// Message says what was seen where it does not hold.
	Message string `json:"message,omitempty"`
}

// Bounds of what is accepted from programs we did not write.
const (
	maxResultBytes  = 256 << 10
	maxMessageBytes = 1024
	maxReasonBytes  = 64
)

// ErrInvalid is matched by every error about a request or result that breaks the protocol.
var ErrInvalid = errors.New("the provisioner protocol is not kept")

// ParseRequest reads a request and refuses what no handler could act on.
func ParseRequest(data []byte) (Request, error) {
	var request Request
	if err := json.Unmarshal(data, &request); err != nil {
		return Request{}, fmt.Errorf("%w: the request is not JSON of the expected shape: %w", ErrInvalid, err)
	}
	if request.APIVersion != APIVersion {
		return Request{}, fmt.Errorf("%w: the request has apiVersion %q, want %q; use the provisioner of the operator's own version", ErrInvalid, request.APIVersion, APIVersion)
	}
	switch request.Action {
	case ActionProvision, ActionVerify, ActionRetire, ActionRevoke:
	default:
		return Request{}, fmt.Errorf("%w: the request has action %q, want provision, verify, retire or revoke", ErrInvalid, request.Action)
	}
	switch request.DataPolicy {
	case "", RetainData, DeleteData:
	default:
		return Request{}, fmt.Errorf("%w: the request has dataPolicy %q, want RetainData or DeleteData", ErrInvalid, request.DataPolicy)
	}
	if request.Handler == "" || request.Binding.UID == "" || request.Binding.Namespace == "" || request.Binding.Name == "" {
		return Request{}, fmt.Errorf("%w: the request needs handler, binding.uid, binding.namespace and binding.name", ErrInvalid)
	}
	return request, nil
}

// ParseResult reads the result of the request with that id. It refuses a result that answers another request, that claims
// to be done while a check is not ok, or that is too large to be kept; it cuts messages to one bounded line.
func ParseResult(data []byte, id string) (Result, error) {
	if len(data) > maxResultBytes {
		return Result{}, fmt.Errorf("%w: the result has %d bytes, at most %d are read", ErrInvalid, len(data), maxResultBytes)
	}
	var result Result
	if err := json.Unmarshal(data, &result); err != nil {
		return Result{}, fmt.Errorf("%w: the result is not JSON of the expected shape: %w", ErrInvalid, err)
	}
	if result.APIVersion != APIVersion {
		return Result{}, fmt.Errorf("%w: the result has apiVersion %q, want %q", ErrInvalid, result.APIVersion, APIVersion)
	}
	if result.ID != id {
		return Result{}, fmt.Errorf("%w: the result answers request %q, want %q", ErrInvalid, result.ID, id)
	}
	switch result.Phase {
	case PhaseDone, PhaseWaiting, PhaseRetry, PhaseFailed:
	default:
		return Result{}, fmt.Errorf("%w: the result has phase %q, want done, waiting, retry or failed", ErrInvalid, result.Phase)
	}
	if !isReason(result.Reason) {
		return Result{}, fmt.Errorf("%w: the result's reason is not a CamelCase word of at most %d letters", ErrInvalid, maxReasonBytes)
	}
	result.Message = oneLine(result.Message)
	for i := range result.Checks {
		result.Checks[i].Message = oneLine(result.Checks[i].Message)
		if result.Phase == PhaseDone && !result.Checks[i].OK {
			return Result{}, fmt.Errorf("%w: the result is done although check %q is not ok", ErrInvalid, oneLine(result.Checks[i].Name))
		}
	}
	return result, nil
}

func isReason(word string) bool {
	if word == "" || len(word) > maxReasonBytes || word[0] < 'A' || word[0] > 'Z' {
		return false
	}
	for _, r := range word {
		if (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return true
}

func oneLine(text string) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "")
	if len(text) > maxMessageBytes {
		text = strings.ToValidUTF8(text[:maxMessageBytes-len("…")], "") + "…"
	}
	return text
}
