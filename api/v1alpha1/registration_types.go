package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// ProvisionerHTTP is the provisioner that carries out an HTTPRegistration.
const ProvisionerHTTP = "http-upsert"

// HTTPRegistration says, without code, how what a consumer asks for is registered at a provider's HTTP API that speaks JSON.
// Provisioner http-upsert carries it out.
//
// Expressions are CEL. All of them see `binding` (uid, namespace, name), `endpoint` and `api` (host, port, url), `parameters`
// and `outputs`, which are the values of the binding that are not secret. Those of headers see `admin` as well, the admin
// credential by key; those of fields and bodies see `secrets`, the binding's Secret by key. Paths and queries see no secret,
// because they end up in logs. Objects that were dealt with before are in `objects`, by name.
// +kubebuilder:validation:XValidation:rule="self.objects.all(o, (has(o.ownership) && o.ownership == 'Shared') != has(o.delete))",message="an object of the binding needs delete; a shared one is never deleted"
// +kubebuilder:validation:XValidation:rule="self.objects.all(o, (has(o.ownership) && o.ownership == 'Shared') != has(o.ownedExpr))",message="an object of the binding needs ownedExpr; a shared one has no owner"
type HTTPRegistration struct {
	// endpoint of the good where the API is; default the one that serves the contract.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Endpoint string `json:"endpoint,omitempty"`
	// authentication at the API; none where it is left out.
	// +optional
	Authentication *HTTPAuthentication `json:"authentication,omitempty"`
	// problemExpr finds the error in an answer that has a status of success, over `answer`: its result is text, and none
	// means that there is no error.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	ProblemExpr string `json:"problemExpr,omitempty"`
	// objects to register, in order. They are deleted in the opposite one.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Objects []HTTPObject `json:"objects"`
	// outputs that the provider minted, as they are read back.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Outputs []HTTPOutput `json:"outputs,omitempty"`
}

// HTTPAuthentication is how the admin credential is shown.
// +kubebuilder:validation:XValidation:rule="[has(self.basic), has(self.bearer), has(self.clientCredentials), has(self.login)].filter(x, x).size() == 1",message="give exactly one of basic, bearer, clientCredentials and login"
type HTTPAuthentication struct {
	// basic authentication (RFC 7617).
	// +optional
	Basic *HTTPBasic `json:"basic,omitempty"`
	// bearer token (RFC 6750) that the admin Secret holds.
	// +optional
	Bearer *HTTPBearer `json:"bearer,omitempty"`
	// clientCredentials gets a token by the OAuth 2.0 grant of that name.
	// +optional
	ClientCredentials *HTTPClientCredentials `json:"clientCredentials,omitempty"`
	// login asks the API for what makes the headers.
	// +optional
	Login *HTTPLogin `json:"login,omitempty"`
}

// HTTPBasic names keys of the admin Secret.
type HTTPBasic struct {
	// usernameKey defaults to username.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	UsernameKey string `json:"usernameKey,omitempty"`
	// passwordKey defaults to password.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	PasswordKey string `json:"passwordKey,omitempty"`
}

// HTTPBearer names a key of the admin Secret.
type HTTPBearer struct {
	// key defaults to token.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Key string `json:"key,omitempty"`
}

// HTTPClientCredentials gets a token at an issuer.
type HTTPClientCredentials struct {
	// tokenURLExpr is the address of the token endpoint, over `api`, `endpoint` and `admin`. Consumers have no say in where the
	// admin credential goes.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	TokenURLExpr string `json:"tokenURLExpr"`
	// clientIDKey of the admin Secret; default client-id.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ClientIDKey string `json:"clientIDKey,omitempty"`
	// clientSecretKey of the admin Secret; default client-secret.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ClientSecretKey string `json:"clientSecretKey,omitempty"`
	// scopes to ask for.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Scopes []HTTPScope `json:"scopes,omitempty"`
}

// HTTPScope is an OAuth 2.0 scope.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
type HTTPScope string

// HTTPLogin is a request whose answer makes the headers of all others. It is repeated once when the API does not take them any
// more.
type HTTPLogin struct {
	// method of the request; default POST.
	// +optional
	// +kubebuilder:validation:Enum=GET;POST
	Method string `json:"method,omitempty"`
	// pathExpr gives the path as a list of segments, each of which is escaped.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	PathExpr string `json:"pathExpr"`
	// form is sent as application/x-www-form-urlencoded, over `admin`.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Form []HTTPValue `json:"form,omitempty"`
	// bodyExpr is sent as JSON, over `admin`.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	BodyExpr string `json:"bodyExpr,omitempty"`
	// headers of the other requests, over `admin` and `login`, the answer.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Headers []HTTPValue `json:"headers"`
}

// HTTPValue is a named text.
type HTTPValue struct {
	// name of the header, query parameter or form field.
	// +required
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`
	// expr gives the text.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Expr string `json:"expr"`
}

// HTTPOutput is an output that the provider minted.
type HTTPOutput struct {
	// name of the output in the contract.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// expr gives the text, over `objects` as they were read back.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Expr string `json:"expr"`
}

// HTTPOwnership says whose an object is.
// +kubebuilder:validation:Enum=Binding;Shared
type HTTPOwnership string

// Ownerships.
const (
	// OwnedByBinding is brought into exactly the shape asked for, and deleted with the binding. One that is somebody else's is
	// refused.
	OwnedByBinding HTTPOwnership = "Binding"
	// OwnershipShared is made where it does not exist, and otherwise used as it is.
	OwnershipShared HTTPOwnership = "Shared"
)

// HTTPObject is one object at the API.
type HTTPObject struct {
	// name within the registration.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z][a-zA-Z0-9]*$`
	// +kubebuilder:validation:MaxLength=30
	Name string `json:"name"`
	// ownership says whose it is; default Binding.
	// +optional
	Ownership HTTPOwnership `json:"ownership,omitempty"`
	// find looks for it by a name that is the same on every run, before anything is made and after every change.
	// +required
	Find HTTPFind `json:"find"`
	// ownedExpr says whether what was found is this binding's, over `object`: by a mark that carries `binding.uid`.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	OwnedExpr string `json:"ownedExpr,omitempty"`
	// deletedExpr says whether what was found is only a memory of something deleted, over `object`. It belongs to no one then.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	DeletedExpr string `json:"deletedExpr,omitempty"`
	// fields that the object has to have; it is updated when one differs, and read back afterwards.
	// +required
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Fields []HTTPField `json:"fields"`
	// create makes it; POST unless it says otherwise. The fields are sent unless bodyExpr says otherwise.
	// +required
	Create HTTPWrite `json:"create"`
	// update changes it; PUT unless it says otherwise. What was found is sent, with the fields laid over it; for PATCH the fields
	// only. Without update an object that differs is refused.
	// +optional
	Update *HTTPWrite `json:"update,omitempty"`
	// delete takes it away; DELETE unless it says otherwise.
	// +optional
	Delete *HTTPWrite `json:"delete,omitempty"`
}

// HTTPFind looks for an object.
type HTTPFind struct {
	// pathExpr gives the path as a list of segments, each of which is escaped. An answer 404 means that there is none.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	PathExpr string `json:"pathExpr"`
	// query parameters.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Query []HTTPValue `json:"query,omitempty"`
	// objectExpr picks the object out of the `answer`: itself, null, or a list of at most one; default the whole answer.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	ObjectExpr string `json:"objectExpr,omitempty"`
}

// HTTPComparison says how a field is compared.
// +kubebuilder:validation:Enum=Equal;Set;WriteOnly
type HTTPComparison string

// Comparisons.
const (
	// CompareEqual holds when the field has the value; maps may have more keys.
	CompareEqual HTTPComparison = "Equal"
	// CompareSet holds when two lists have the same items in any order.
	CompareSet HTTPComparison = "Set"
	// CompareWriteOnly is for what the API does not show. It is sent with every change and causes none.
	CompareWriteOnly HTTPComparison = "WriteOnly"
)

// HTTPField is one field of an object. It has either value or expr, which is checked when the catalogue is synced.
type HTTPField struct {
	// path of the field with dots, as in a good's values; `\.` is a dot in a name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Path string `json:"path"`
	// value is a literal.
	// +optional
	Value *apiextensionsv1.JSON `json:"value,omitempty"`
	// expr gives the value.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Expr string `json:"expr,omitempty"`
	// compare says how; default Equal.
	// +optional
	Compare HTTPComparison `json:"compare,omitempty"`
}

// HTTPWrite is a request that changes an object.
type HTTPWrite struct {
	// method of the request.
	// +optional
	// +kubebuilder:validation:Enum=POST;PUT;PATCH;DELETE
	Method string `json:"method,omitempty"`
	// pathExpr gives the path as a list of segments, each of which is escaped; over `object` where there is one.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	PathExpr string `json:"pathExpr"`
	// bodyExpr is the body, over `wanted` (the fields), `secrets` and, where there is one, `object`.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	BodyExpr string `json:"bodyExpr,omitempty"`
}
