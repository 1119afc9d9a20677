// Package expr evaluates the CEL expressions of catalogue entries over plain data.
//
// It is pure: no client, context or clock. It imports cel-go and the standard library. Evaluation is bounded in cost,
// so that an entry cannot hold a worker.
package expr
