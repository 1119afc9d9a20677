package fetch

import "context"

// Fetcher gets archives. It is safe for concurrent use; equal requests at the same time become one.
type Fetcher struct {
	options Options
}

// New returns a Fetcher, creating its cache directory.
func New(options Options) (*Fetcher, error) {
	return &Fetcher{options: options}, nil
}

// Get returns the archive a reference names. Errors match the package's Err values.
func (f *Fetcher) Get(ctx context.Context, ref Reference) (Archive, error) {
	panic("under construction")
}
