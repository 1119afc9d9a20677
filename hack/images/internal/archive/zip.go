package archive

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrEscapes is the cause when an entry would be written outside the destination.
var ErrEscapes = errors.New("an entry leads outside the destination")

// Unzip unpacks what the archive has below the folder prefix into dir, without the prefix. Permissions are kept, with read access for all;
// entries that are neither files nor directories are an error.
func Unzip(file, prefix, dir string) (err error) {
	reader, err := zip.OpenReader(file)
	if err != nil {
		return fmt.Errorf("cannot open the archive: %w", err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for _, entry := range reader.File {
		name, below := strings.CutPrefix(entry.Name, prefix)
		if !below || name == "" {
			continue
		}
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%s in %s: %w", entry.Name, file, ErrEscapes)
		}
		if err := extract(entry, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("cannot unpack %s: %w", entry.Name, err)
		}
	}
	return nil
}

func extract(entry *zip.File, path string) (err error) {
	mode := entry.Mode()
	if mode.IsDir() {
		return os.MkdirAll(path, 0o755)
	}
	if !mode.IsRegular() {
		return fmt.Errorf("unsupported kind of entry %s", mode.Type())
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	content, err := entry.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, readable(mode))
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

func readable(mode fs.FileMode) fs.FileMode { return mode.Perm() | 0o444 }

// TopFolder returns the one folder, with a slash behind it, that everything in the archive is in, and "" when there is no such folder.
func TopFolder(file string) (top string, err error) {
	reader, err := zip.OpenReader(file)
	if err != nil {
		return "", fmt.Errorf("cannot open the archive: %w", err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for _, entry := range reader.File {
		folder, _, inFolder := strings.Cut(entry.Name, "/")
		if !inFolder || (top != "" && top != folder+"/") {
			return "", nil
		}
		top = folder + "/"
	}
	return top, nil
}
