// Package outcome says how one pass of a reconciler ended and maps that to the work queue in one place.
//
// Waiting is not an error: it carries no backoff and ends by a watch, with a long interval as a safety net. It imports
// controller-runtime's result type only.
package outcome
