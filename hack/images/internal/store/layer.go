package store

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// Layer is a layer in the store. It implements v1.Layer.
type Layer struct {
	record layerRecord
	path   string
}

var _ v1.Layer = (*Layer)(nil)

type layerRecord struct {
	BlobDigest v1.Hash `json:"digest"`
	TarDigest  v1.Hash `json:"diffID"`
	BlobSize   int64   `json:"size"`
	TarSize    int64   `json:"tarSize"`
	Step       string  `json:"step"`
}

// Layer returns the layer that was stored under the key, and false when there is none.
func (s *Store) Layer(key string) (*Layer, bool, error) {
	var record layerRecord
	found, err := s.readJSON(recordName(key), &record)
	if err != nil || !found {
		return nil, false, err
	}
	path := s.blob(record.BlobDigest)
	if !hasSize(path, record.BlobSize) {
		return nil, false, nil
	}
	return &Layer{record, path}, true, nil
}

// hasSize reports whether the file is there and complete; a file that cannot be looked at is written again.
func hasSize(path string, size int64) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() == size
}

// WriteLayer stores the tar stream that write produces as a layer under the key; step is a note for readers of the record.
// When write fails nothing is stored.
func (s *Store) WriteLayer(key, step string, write func(io.Writer) error) (*Layer, error) {
	file, err := os.CreateTemp(filepath.Join(s.root, "work"), "layer-")
	if err != nil {
		return nil, err
	}
	record, err := compress(file, write)
	if err := errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close()); err != nil {
		return nil, fmt.Errorf("cannot store the layer %q: %w", step, errors.Join(err, os.Remove(file.Name())))
	}
	record.Step = step
	layer := &Layer{record, s.blob(record.BlobDigest)}
	if err := os.Rename(file.Name(), layer.path); err != nil {
		return nil, err
	}
	encoded, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return nil, err
	}
	return layer, s.writeAtomically(recordName(key), encoded)
}

func recordName(key string) string { return filepath.Join("layers", key+".json") }

func compress(file io.Writer, write func(io.Writer) error) (layerRecord, error) {
	buffered := bufio.NewWriterSize(file, 1<<20)
	blob := newMeter(buffered)
	encoder, err := zstd.NewWriter(blob, zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return layerRecord{}, err
	}
	content := newMeter(encoder)
	if err := errors.Join(write(content), encoder.Close(), buffered.Flush()); err != nil {
		return layerRecord{}, err
	}
	return layerRecord{BlobDigest: blob.digest(), TarDigest: content.digest(), BlobSize: blob.size, TarSize: content.size}, nil
}

// meter hashes and counts what passes through.
type meter struct {
	next io.Writer
	hash hash.Hash
	size int64
}

func newMeter(next io.Writer) *meter { return &meter{next: next, hash: sha256.New()} }

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.next.Write(p)
	m.hash.Write(p[:n])
	m.size += int64(n)
	return n, err
}

func (m *meter) digest() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(m.hash.Sum(nil))}
}

// Digest implements v1.Layer.
func (l *Layer) Digest() (v1.Hash, error) { return l.record.BlobDigest, nil }

// DiffID implements v1.Layer.
func (l *Layer) DiffID() (v1.Hash, error) { return l.record.TarDigest, nil }

// Size implements v1.Layer.
func (l *Layer) Size() (int64, error) { return l.record.BlobSize, nil }

// MediaType implements v1.Layer.
func (l *Layer) MediaType() (types.MediaType, error) { return types.OCILayerZStd, nil }

// Compressed implements v1.Layer.
func (l *Layer) Compressed() (io.ReadCloser, error) { return os.Open(l.path) }

// Uncompressed implements v1.Layer. The caller closes the stream.
func (l *Layer) Uncompressed() (io.ReadCloser, error) {
	file, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	decoder, err := zstd.NewReader(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &decompressed{decoder, file}, nil
}

// TarSize is the number of bytes the layer has when it is unpacked as a tar stream.
func (l *Layer) TarSize() int64 { return l.record.TarSize }

type decompressed struct {
	*zstd.Decoder
	file *os.File
}

func (d *decompressed) Close() error {
	d.Decoder.Close()
	return d.file.Close()
}
