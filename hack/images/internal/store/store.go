package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/renameio/v2"
)

// lockPoll is how often a lock that another process holds is tried again.
const lockPoll = 200 * time.Millisecond

// Store is an OCI image layout in a directory, with records that find layers by key.
type Store struct {
	root string
	use  *flock.Flock
}

// Open opens the store in the directory and makes it if it is missing. While it is open, Prune of other processes leaves it alone.
func Open(ctx context.Context, root string) (*Store, error) {
	for _, dir := range []string{"blobs/sha256", "layers", "locks", "work"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return nil, fmt.Errorf("cannot make the image cache, check that its directory is writable or set DPI_CACHE: %w", err)
		}
	}
	s := &Store{root: root, use: flock.New(filepath.Join(root, "locks", "store"))}
	if _, err := s.use.TryRLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("cannot lock the image cache %s: %w", root, err)
	}
	layout := []byte(`{"imageLayoutVersion":"1.0.0"}` + "\n")
	if err := s.writeAtomically("oci-layout", layout); err != nil {
		return nil, err
	}
	return s, nil
}

// Close lets other processes prune the store.
func (s *Store) Close() error { return s.use.Close() }

// Lock waits until this process is the only one that works on the name, and returns what to call when done.
func (s *Store) Lock(ctx context.Context, name string) (unlock func() error, err error) {
	lock := flock.New(filepath.Join(s.root, "locks", name))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("cannot lock %s in the image cache: %w", name, err)
	}
	return lock.Close, nil
}

// Dir returns a directory of the store for files that are kept between runs, such as compiled programs.
func (s *Store) Dir(name string) (string, error) {
	dir := filepath.Join(s.root, name)
	return dir, os.MkdirAll(dir, 0o755)
}

// Temp makes a directory for intermediate files. The caller removes it.
func (s *Store) Temp() (string, error) {
	dir, err := os.MkdirTemp(filepath.Join(s.root, "work"), "step-")
	if err != nil {
		return "", err
	}
	// What runs inside may be another user, who has to get through.
	return dir, os.Chmod(dir, 0o755)
}

func (s *Store) blob(digest v1.Hash) string {
	return filepath.Join(s.root, "blobs", digest.Algorithm, digest.Hex)
}

// writeAtomically replaces a file of the store as a whole, so that a reader sees the old content or the new.
func (s *Store) writeAtomically(name string, content []byte) error {
	return renameio.WriteFile(filepath.Join(s.root, name), content, 0o644, renameio.WithTempDir(filepath.Join(s.root, "work")))
}

// readJSON reports false when there is no such file.
func (s *Store) readJSON(name string, into any) (bool, error) {
	content, err := os.ReadFile(filepath.Join(s.root, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return false, fmt.Errorf("%s in the image cache %s is damaged, delete it: %w", name, s.root, err)
	}
	return true, nil
}
