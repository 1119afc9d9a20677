package fetch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

func (f *Fetcher) local(ref Reference) (Archive, error) {
	if !f.options.AllowLocal {
		return Archive{}, fmt.Errorf("%w: %s: use oci:// or https://", ErrInvalidReference, ref.URL)
	}
	info, err := os.Stat(ref.URL)
	if errors.Is(err, fs.ErrNotExist) {
		return Archive{}, fmt.Errorf("%w: there is no %s", ErrNotFound, ref.URL)
	}
	if err != nil {
		return Archive{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	var data []byte
	switch {
	case info.IsDir():
		data, err = f.pack(ref.URL)
	case info.Size() > f.options.MaxBytes:
		err = fmt.Errorf("%w: %s", ErrTooLarge, ref.URL)
	default:
		data, err = os.ReadFile(ref.URL)
	}
	if err != nil {
		return Archive{}, err
	}
	return verified(ref, data)
}

// pack makes an archive of a chart directory: the same files give the same bytes. Hidden files and links are left out.
func (f *Fetcher) pack(dir string) ([]byte, error) {
	if _, err := os.Stat(filepath.Join(dir, "Chart.yaml")); err != nil {
		return nil, fmt.Errorf("%w: %s has no Chart.yaml", ErrNotFound, dir)
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, dir, err)
	}
	var packed bytes.Buffer
	compressor := gzip.NewWriter(&packed)
	archive := tar.NewWriter(compressor)
	// WalkDir goes in lexical order, which makes the bytes repeatable.
	err = filepath.WalkDir(absolute, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(entry.Name(), ".") && file != absolute {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		relative, err := filepath.Rel(absolute, file)
		if err != nil {
			return err
		}
		return f.add(archive, file, path.Join(filepath.Base(absolute), filepath.ToSlash(relative)))
	})
	if err := errors.Join(err, archive.Close(), compressor.Close()); err != nil {
		return nil, fmt.Errorf("pack %s: %w", dir, err)
	}
	if int64(packed.Len()) > f.options.MaxBytes {
		return nil, fmt.Errorf("%w: %s", ErrTooLarge, dir)
	}
	return packed.Bytes(), nil
}

func (f *Fetcher) add(archive *tar.Writer, file, name string) error {
	data, err := os.ReadFile(file) //nolint:gosec // The person at the command line named the directory.
	if err != nil {
		return err
	}
	if int64(len(data)) > f.options.MaxBytes {
		return fmt.Errorf("%w: %s", ErrTooLarge, file)
	}
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err = archive.Write(data)
	return err
}
