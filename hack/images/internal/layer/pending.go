package layer

import (
	"archive/tar"
	"path"
	"slices"
)

// pendingDirs holds directories that were met but not written yet.
type pendingDirs struct {
	headers map[string]*tar.Header
}

func newPendingDirs() *pendingDirs { return &pendingDirs{headers: map[string]*tar.Header{}} }

func (p *pendingDirs) add(name string, header *tar.Header) { p.headers[name] = header }

func (p *pendingDirs) written(name string) { delete(p.headers, name) }

// flushParents writes the pending directories that the path is in, the outermost first.
func (p *pendingDirs) flushParents(archive *tar.Writer, name string) error {
	var parents []string
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if p.headers[dir] != nil {
			parents = append(parents, dir)
		}
	}
	slices.Reverse(parents)
	for _, dir := range parents {
		if err := archive.WriteHeader(p.headers[dir]); err != nil {
			return err
		}
		p.written(dir)
	}
	return nil
}
