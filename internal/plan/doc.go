// Package plan turns a DPIDeployment and a catalogue into a fully resolved stack: which version of which good, with
// which values, wired to what, in which order and why.
//
//	deployment + template ──merge──► components ──resolve──► versions ──► endpoints ──► bindings ──► values ──► order
//
// It is pure: no client, no context, no clock. The controllers, `kubectl dpi plan` and the tests run the same code.
// It imports the API types and the other pure packages only. Every error is a *Problem: the input is at fault, and the
// problem says where and what to do.
package plan
