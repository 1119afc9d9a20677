// Package report reports DPIDeployments to CoordinationRegistries. It never touches what is deployed: a registry that is
// down changes the Reported condition and nothing else.
//
//	deployment's status ──snapshot──► slot in the status (stored first) ──► registry ──► acknowledged
//
// It may import the pure core, the registry client, conditions, outcome and the API.
package report
