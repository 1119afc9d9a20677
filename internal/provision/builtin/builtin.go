package builtin

import (
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpapi"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpupsert"
	"github.com/dpi-operator/dpi-operator/internal/provision/kafka"
	"github.com/dpi-operator/dpi-operator/internal/provision/keycloak"
	"github.com/dpi-operator/dpi-operator/internal/provision/keypair"
	"github.com/dpi-operator/dpi-operator/internal/provision/manual"
	"github.com/dpi-operator/dpi-operator/internal/provision/mongodb"
	"github.com/dpi-operator/dpi-operator/internal/provision/mysql"
	"github.com/dpi-operator/dpi-operator/internal/provision/oidc"
	"github.com/dpi-operator/dpi-operator/internal/provision/postgresql"
	"github.com/dpi-operator/dpi-operator/internal/provision/redis"
	"github.com/dpi-operator/dpi-operator/internal/provision/s3"
	"github.com/dpi-operator/dpi-operator/internal/provision/smtp"
)

// Names of the built-in provisioners, as a provider's entry gives them.
const (
	PostgreSQL = "postgresql"
	Keycloak   = "keycloak"
	HTTPUpsert = "http-upsert"
	KeyPair    = "key-pair"
	Kafka      = "kafka"
)

var handlers = map[provision.Action]map[string]provision.Handler{
	provision.ActionProvision: {
		HTTPUpsert: provision.HandlerFunc(httpupsert.Provision),
		PostgreSQL: provision.HandlerFunc(postgresql.Server{}.Provision),
		Keycloak:   provision.HandlerFunc(keycloak.Provision),
		KeyPair:    provision.HandlerFunc(keypair.Provision),
		Kafka:      provision.HandlerFunc(kafka.Server{}.Provision),
	},
	provision.ActionRetire: {
		HTTPUpsert: provision.HandlerFunc(httpupsert.Retire),
		PostgreSQL: provision.HandlerFunc(postgresql.Server{}.Retire),
		Kafka:      provision.HandlerFunc(kafka.Server{}.Retire),
	},
	provision.ActionRevoke: {
		HTTPUpsert: provision.HandlerFunc(httpupsert.Revoke),
		PostgreSQL: provision.HandlerFunc(postgresql.Server{}.Revoke),
		Keycloak:   provision.HandlerFunc(keycloak.Revoke),
		KeyPair:    provision.HandlerFunc(keypair.Revoke),
		Kafka:      provision.HandlerFunc(kafka.Server{}.Revoke),
	},
	provision.ActionVerify: {
		"postgresql-v1":           provision.HandlerFunc(postgresql.Server{}.Verify),
		"oidc-issuer-v1":          provision.HandlerFunc(oidc.VerifyIssuer),
		"oidc-client-v1":          provision.HandlerFunc(oidc.VerifyClient),
		"fhir-r4-v1":              provision.HandlerFunc(httpapi.VerifyFHIR),
		"openehr-v1":              provision.HandlerFunc(httpapi.VerifyOpenEHR),
		"http-api-v1":             provision.HandlerFunc(httpapi.VerifyAny),
		"openhim-client-v1":       provision.HandlerFunc(httpapi.VerifyExchangeClient),
		"openhim-channel-v1":      provision.HandlerFunc(httpapi.VerifyExchangeChannel),
		"mojaloop-participant-v1": provision.HandlerFunc(httpapi.VerifyMojaloopParticipant),
		"xroad-service-v1":        provision.HandlerFunc(httpapi.VerifyXRoadService),
		"webhook-v1":              provision.HandlerFunc(httpapi.VerifyWebhook),
		"reference-data-v1":       provision.HandlerFunc(httpapi.VerifyReferenceData),
		"key-pair-v1":             provision.HandlerFunc(keypair.Verify),
		"certificate-v1":          provision.HandlerFunc(keypair.VerifyCertificate),
		"redis-v1":                provision.HandlerFunc(redis.Verify),
		"mysql-v1":                provision.HandlerFunc(mysql.Verify),
		"smtp-v1":                 provision.HandlerFunc(smtp.Verify),
		"mongodb-v1":              provision.HandlerFunc(mongodb.Verify),
		"s3-bucket-v1":            provision.HandlerFunc(s3.Verify),
		"kafka-topic-v1":          provision.HandlerFunc(kafka.Server{}.Verify),
		"manual-v1":               provision.HandlerFunc(manual.Verify),
	},
}

// Find returns the handler of that name for the action.
func Find(action provision.Action, name string) (provision.Handler, bool) {
	handler, ok := handlers[action][name]
	return handler, ok
}
