// Package httpapi proves edges that are an address and, for some, a name with a password: fhir-r4-v1, openehr-v1,
// openhim-client-v1, openhim-channel-v1, mojaloop-participant-v1, xroad-service-v1, webhook-v1, reference-data-v1 and, for
// anything else that speaks HTTP, http-api-v1. It imports internal/provision.
package httpapi
