// Package cli is `kubectl dpi`: the stack as its operators see it. Each command has an options struct that is completed
// from flags and then run; nothing is kept between runs.
//
// It may import the pure core, the adapters and the API; not the controllers. `plan` goes through the very code the
// controllers run, so what it says is what would happen.
package cli
