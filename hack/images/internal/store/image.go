package store

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// refName is the annotation by which tools find an image in a layout.
const refName = "org.opencontainers.image.ref.name"

// WriteImage stores the manifest and the configuration of an image all of whose layers are in the store, and lists it in the
// layout's index under the reference, in the place of what had that reference before.
func (s *Store) WriteImage(ctx context.Context, reference string, image v1.Image) error {
	config, err := image.RawConfigFile()
	if err != nil {
		return err
	}
	manifest, err := image.RawManifest()
	if err != nil {
		return err
	}
	configDigest, configErr := image.ConfigName()
	descriptor, descriptorErr := partial.Descriptor(image)
	if err := errors.Join(configErr, descriptorErr); err != nil {
		return err
	}
	err = errors.Join(s.writeBlob(configDigest, config), s.writeBlob(descriptor.Digest, manifest))
	if err != nil {
		return err
	}
	descriptor.Annotations = map[string]string{refName: reference}
	return s.list(ctx, *descriptor)
}

func (s *Store) writeBlob(digest v1.Hash, content []byte) error {
	if hasSize(s.blob(digest), int64(len(content))) {
		return nil
	}
	return s.writeAtomically(filepath.Join("blobs", digest.Algorithm, digest.Hex), content)
}

func (s *Store) list(ctx context.Context, image v1.Descriptor) (err error) {
	unlock, err := s.Lock(ctx, "index")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	index, err := s.index()
	if err != nil {
		return err
	}
	known := func(other v1.Descriptor) bool {
		return other.Digest == image.Digest && other.Annotations[refName] == image.Annotations[refName]
	}
	if slices.ContainsFunc(index.Manifests, known) {
		return nil
	}
	index.Manifests = slices.DeleteFunc(index.Manifests, func(other v1.Descriptor) bool {
		return other.Annotations[refName] == image.Annotations[refName]
	})
	index.Manifests = append(index.Manifests, image)
	encoded, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	return s.writeAtomically("index.json", encoded)
}

func (s *Store) index() (*v1.IndexManifest, error) {
	index, err := empty.Index.IndexManifest()
	if err != nil {
		return nil, err
	}
	index = index.DeepCopy()
	index.MediaType = types.OCIImageIndex
	_, err = s.readJSON("index.json", index)
	return index, err
}

// Prune removes what no listed image refers to. It does nothing while another process has the store open. The store
// must not be used by the caller meanwhile.
func (s *Store) Prune() (err error) {
	if err := s.use.Unlock(); err != nil {
		return err
	}
	alone, err := s.use.TryLock()
	if err != nil || !alone {
		return err
	}
	defer func() { err = errors.Join(err, s.use.Unlock()) }()
	used, err := s.reachable()
	if err != nil {
		return err
	}
	blobs, err := os.ReadDir(filepath.Join(s.root, "blobs", "sha256"))
	if err != nil {
		return err
	}
	for _, blob := range blobs {
		if !used[blob.Name()] {
			err = errors.Join(err, os.Remove(filepath.Join(s.root, "blobs", "sha256", blob.Name())))
		}
	}
	return errors.Join(err, s.pruneRecords(used), removeContents(filepath.Join(s.root, "work")))
}

// reachable lists the hex digests of all blobs that listed images are made of.
func (s *Store) reachable() (map[string]bool, error) {
	index, err := s.index()
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, listed := range index.Manifests {
		file, err := os.Open(s.blob(listed.Digest))
		if err != nil {
			return nil, err
		}
		manifest, err := v1.ParseManifest(file)
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
		used[listed.Digest.Hex], used[manifest.Config.Digest.Hex] = true, true
		for _, layer := range manifest.Layers {
			used[layer.Digest.Hex] = true
		}
	}
	return used, nil
}

func (s *Store) pruneRecords(used map[string]bool) error {
	records, err := os.ReadDir(filepath.Join(s.root, "layers"))
	if err != nil {
		return err
	}
	for _, entry := range records {
		var record layerRecord
		name := filepath.Join("layers", entry.Name())
		if _, err := s.readJSON(name, &record); err != nil {
			return err
		}
		if !used[record.BlobDigest.Hex] {
			if err := os.Remove(filepath.Join(s.root, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func removeContents(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}
