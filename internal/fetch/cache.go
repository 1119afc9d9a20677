package fetch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// cache keeps archives on disk by digest. Entries are renamed into place whole and verified when read.
type cache struct{ dir string }

func newCache(dir string) (cache, error) {
	if dir == "" {
		return cache{}, nil
	}
	dir = filepath.Join(dir, "charts")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return cache{}, fmt.Errorf("create the chart cache: %w", err)
	}
	return cache{dir: dir}, nil
}

func (c cache) path(digest string) string {
	return filepath.Join(c.dir, strings.TrimPrefix(digest, "sha256:")+".tgz")
}

func (c cache) get(digest string) ([]byte, bool) {
	if c.dir == "" || digest == "" {
		return nil, false
	}
	data, err := os.ReadFile(c.path(digest))
	if err != nil {
		return nil, false
	}
	if digestOf(data) != digest {
		// Damaged on disk; what cannot be removed is fetched again each time.
		_ = os.Remove(c.path(digest))
		return nil, false
	}
	return data, true
}

func (c cache) put(archive Archive) error {
	if c.dir == "" {
		return nil
	}
	file, err := os.CreateTemp(c.dir, "incoming-*")
	if err != nil {
		return fmt.Errorf("keep chart %s: %w", archive.Digest, err)
	}
	// After the rename there is nothing left to remove.
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.Write(archive.Data)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), c.path(archive.Digest))
	}
	if err != nil {
		return fmt.Errorf("keep chart %s: %w", archive.Digest, err)
	}
	return nil
}
