package kafka

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// contractTopic is the contract of this package.
const contractTopic = "kafka-topic-v1"

// Reasons beyond those of any handler.
const (
	// ReasonNotPermitted is given when the admin credential lacks a right.
	ReasonNotPermitted = "NotPermitted"
	// ReasonSettingRefused is given when the cluster does not take a setting of the topic.
	ReasonSettingRefused = "SettingRefused"
)

// Values of the parameter access.
const (
	accessRead      = "read"
	accessWrite     = "write"
	accessReadWrite = "readwrite"
)

var topicPattern = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$`)

// parameters of kafka-topic-v1.
type parameters struct {
	Topic             string            `json:"topic,omitempty"`
	Partitions        int32             `json:"partitions"`
	ReplicationFactor int16             `json:"replicationFactor,omitempty"`
	Config            map[string]string `json:"config,omitempty"`
	Access            string            `json:"access"`
}

// wanted is what a task asks for.
type wanted struct {
	parameters

	binding            provision.Binding
	topic              string
	username, password string
	// logins tells whether the cluster has them.
	logins bool
}

func newWanted(task provision.Task) (wanted, error) {
	w := wanted{
		binding: task.Request.Binding, topic: task.Value("topic"), username: task.Value("username"), password: task.Credentials["password"],
		logins: hasLogins(task),
	}
	if task.Request.Contract != "" && task.Request.Contract != contractTopic {
		return w, provision.Failed(provision.ReasonInvalidRequest, "Kafka does not provide the contract %q; it has %s", task.Request.Contract, contractTopic)
	}
	decoder := json.NewDecoder(bytes.NewReader(task.Request.Parameters))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&w.parameters); err != nil {
		return w, provision.Failed(provision.ReasonInvalidRequest, "the parameters are not those of %s: %w; correct the binding or the catalogue entry", contractTopic, err)
	}
	switch {
	case !topicPattern.MatchString(w.topic):
		return w, provision.Failed(provision.ReasonInvalidRequest, "the topic %q must be of letters, digits, '.', '_' and '-', and at most 200 long", w.topic)
	case w.Partitions < 1:
		return w, provision.Failed(provision.ReasonInvalidRequest, "the topic needs at least one partition")
	case !slices.Contains([]string{accessRead, accessWrite, accessReadWrite}, w.Access):
		return w, provision.Failed(provision.ReasonInvalidRequest, "the access %q is unknown; use read, write or readwrite", w.Access)
	case w.logins && (w.username == "" || w.password == ""):
		return w, provision.Failed(provision.ReasonInvalidRequest, "the binding's Secret needs the keys username and password")
	}
	return w, nil
}

// hasLogins follows the protocol that the provider states.
func hasLogins(task provision.Task) bool {
	return strings.HasPrefix(task.Value("security-protocol"), "SASL_")
}

// ownName is how topics and logins of a binding are called that nobody names.
func ownName(binding provision.Binding) string { return binding.Namespace + "." + binding.Name }

// ownLogins are the two logins of a binding, of which a rotation puts in force the one that is not.
func ownLogins(binding provision.Binding) []string {
	return []string{ownName(binding) + ".a", ownName(binding) + ".b"}
}
