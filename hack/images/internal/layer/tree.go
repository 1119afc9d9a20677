package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Modified is the time of every entry of every layer. Java checks the times of jars against those it saw when it wrote
// a class archive, so they have to be the same wherever the layer is unpacked.
var Modified = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// Owners maps slash-separated relative paths to the numeric user and group they belong to. Other paths belong to root.
type Owners map[string]int

// WriteTree writes the tree below root as a tar stream. Directories, regular files and symbolic links are written, in the
// order of their paths; a directory none of whose files the filter keeps is left out. Permission bits are kept, set-id bits are not:
// nothing in these images may change its user. The first thing that cannot be read or written is the error.
func WriteTree(w io.Writer, root string, filter Filter, owners Owners) error {
	archive := tar.NewWriter(w)
	// Parents are written only once something below them is, so that a layer does not restate the owners
	// of directories that belong to the layers under it.
	pending := newPendingDirs()
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil || name == "." {
			return err
		}
		name = filepath.ToSlash(name)
		header, err := headerOf(file, name, entry, owners)
		if err != nil || header == nil {
			return err
		}
		if !filter.Contains(name) {
			if entry.IsDir() {
				pending.add(name, header)
			}
			return nil
		}
		if err := pending.flushParents(archive, name); err != nil {
			return err
		}
		pending.written(name)
		return writeEntry(archive, header, file)
	})
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", root, err)
	}
	return archive.Close()
}

// headerOf returns nil for what has no place in a layer (sockets, devices, pipes).
func headerOf(file, name string, entry fs.DirEntry, owners Owners) (*tar.Header, error) {
	info, err := entry.Info()
	if err != nil {
		return nil, err
	}
	header := &tar.Header{
		Name: name, Mode: int64(info.Mode().Perm()), ModTime: Modified, Format: tar.FormatPAX,
		Uid: owners[name], Gid: owners[name],
	}
	switch {
	case info.IsDir():
		header.Typeflag = tar.TypeDir
		header.Name += "/"
		header.Mode |= int64(stickyBit(info.Mode()))
	case info.Mode().IsRegular():
		header.Typeflag, header.Size = tar.TypeReg, info.Size()
	case info.Mode()&fs.ModeSymlink != 0:
		header.Typeflag, header.Mode = tar.TypeSymlink, 0o777
		if header.Linkname, err = os.Readlink(file); err != nil {
			return nil, err
		}
	default:
		return nil, nil
	}
	return header, nil
}

func stickyBit(mode fs.FileMode) int {
	if mode&fs.ModeSticky != 0 {
		return 0o1000
	}
	return 0
}

func writeEntry(archive *tar.Writer, header *tar.Header, file string) (err error) {
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	if header.Typeflag != tar.TypeReg {
		return nil
	}
	content, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	_, err = io.Copy(archive, content)
	return err
}
