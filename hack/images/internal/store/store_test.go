package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestALayerIsFoundByItsKey(t *testing.T) {
	s := open(t, t.TempDir())
	if _, found, err := s.Layer("key"); found || err != nil {
		t.Fatalf("an empty store has the layer: %v, %v", found, err)
	}
	written := write(t, s, "key", "content")
	found, ok, err := s.Layer("key")
	if err != nil || !ok {
		t.Fatalf("the layer is not found: %v, %v", ok, err)
	}
	stream, err := found.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(stream)
	if err := errors.Join(err, stream.Close()); err != nil || string(content) != "content" {
		t.Errorf("content %q, %v", content, err)
	}
	if found.record != written.record {
		t.Errorf("found %+v, wrote %+v", found.record, written.record)
	}
}

func TestAFailedLayerLeavesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	broken := errors.New("broken")
	_, err := s.WriteLayer("key", "step", func(w io.Writer) error {
		_, err := io.WriteString(w, "half of it")
		return errors.Join(err, broken)
	})
	if !errors.Is(err, broken) {
		t.Fatalf("got %v, want the cause", err)
	}
	if _, found, _ := s.Layer("key"); found {
		t.Error("half a layer is found")
	}
	for _, dir := range []string{"work", "blobs/sha256"} {
		if left, _ := os.ReadDir(filepath.Join(s.root, dir)); len(left) != 0 {
			t.Errorf("%s holds %d files", dir, len(left))
		}
	}
}

func TestALayerWhoseBlobIsGoneIsMissing(t *testing.T) {
	s := open(t, t.TempDir())
	layer := write(t, s, "key", "content")
	if err := os.Remove(layer.path); err != nil {
		t.Fatal(err)
	}
	if _, found, err := s.Layer("key"); found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestTheStoreIsAValidLayout(t *testing.T) {
	s := open(t, t.TempDir())
	list(t, s, "dpi/a:1", write(t, s, "one", "1"))
	list(t, s, "dpi/b:1", write(t, s, "two", "2"))
	path, err := layout.FromPath(s.root)
	if err != nil {
		t.Fatal(err)
	}
	index, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	// The content of these layers is no tar stream, which the fast check does not look at.
	if err := validate.Index(index, validate.Fast); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 2 {
		t.Errorf("%d images are listed, %v", len(manifest.Manifests), err)
	}
}

func TestAnImageReplacesTheOneWithItsReference(t *testing.T) {
	s := open(t, t.TempDir())
	list(t, s, "dpi/a:1", write(t, s, "one", "1"))
	list(t, s, "dpi/a:1", write(t, s, "two", "2"))
	index, err := s.index()
	if err != nil || len(index.Manifests) != 1 {
		t.Fatalf("%d images are listed, %v", len(index.Manifests), err)
	}
}

func TestImagesListedAtTheSameTimeAreAllListed(t *testing.T) {
	root := t.TempDir()
	var group sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		s := open(t, root)
		layer := write(t, s, name, name)
		group.Go(func() { list(t, s, "dpi/"+name+":1", layer) })
	}
	group.Wait()
	index, err := open(t, root).index()
	if err != nil || len(index.Manifests) != 4 {
		t.Errorf("%d images are listed, %v", len(index.Manifests), err)
	}
}

func TestPruneRemovesWhatNoImageUses(t *testing.T) {
	s := open(t, t.TempDir())
	list(t, s, "dpi/a:1", write(t, s, "old", "1"))
	list(t, s, "dpi/a:1", write(t, s, "new", "2"))
	if err := s.Prune(); err != nil {
		t.Fatal(err)
	}
	if _, found, err := s.Layer("old"); found || err != nil {
		t.Errorf("the old layer is still there: %v", err)
	}
	if _, found, err := s.Layer("new"); !found || err != nil {
		t.Errorf("the new layer is gone: %v", err)
	}
	if blobs, _ := os.ReadDir(filepath.Join(s.root, "blobs", "sha256")); len(blobs) != 3 {
		t.Errorf("%d blobs are left, expected manifest, configuration and layer", len(blobs))
	}
}

func TestPruneLeavesAStoreAloneThatIsInUse(t *testing.T) {
	root := t.TempDir()
	busy := open(t, root)
	write(t, busy, "being built", "1")
	if err := open(t, root).Prune(); err != nil {
		t.Fatal(err)
	}
	if _, found, err := busy.Layer("being built"); !found || err != nil {
		t.Errorf("the layer was taken away: %v", err)
	}
}

func open(t *testing.T, root string) *Store {
	t.Helper()
	s, err := Open(context.Background(), root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func write(t *testing.T, s *Store, key, content string) *Layer {
	t.Helper()
	layer, err := s.WriteLayer(key, "step", func(w io.Writer) error {
		_, err := io.WriteString(w, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

func list(t *testing.T, s *Store, reference string, layer v1.Layer) {
	t.Helper()
	image, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1),
		mutate.Addendum{Layer: layer, MediaType: types.OCILayerZStd})
	if err == nil {
		err = s.WriteImage(context.Background(), reference, image)
	}
	if err != nil {
		t.Error(err)
	}
}
