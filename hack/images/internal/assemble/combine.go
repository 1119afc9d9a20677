package assemble

import (
	"runtime"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/layer"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/recipe"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/store"
)

// contentTagLength is how many hex digits of a digest make a tag.
const contentTagLength = 12

func combine(wanted recipe.Image, steps []recipe.Step, layers []*store.Layer) (*Image, error) {
	base := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	base = mutate.ConfigMediaType(base, types.OCIConfigJSON)
	configured, err := mutate.ConfigFile(base, &v1.ConfigFile{
		Architecture: runtime.GOARCH, OS: "linux", Created: v1.Time{Time: layer.Modified}, Config: startOf(wanted),
		RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	additions := make([]mutate.Addendum, 0, len(layers))
	var size int64
	for i, made := range layers {
		additions = append(additions, mutate.Addendum{
			Layer: made, MediaType: types.OCILayerZStd,
			History: v1.History{Created: v1.Time{Time: layer.Modified}, CreatedBy: steps[i].Describe()},
		})
		layerSize, err := made.Size()
		if err != nil {
			return nil, err
		}
		size += layerSize
	}
	image, err := mutate.Append(configured, additions...)
	if err != nil {
		return nil, err
	}
	tags, err := tagsOf(wanted, image)
	return &Image{Image: image, Recipe: wanted, Tags: tags, Bytes: size}, err
}

func startOf(wanted recipe.Image) v1.Config {
	id := strconv.Itoa(recipe.UID)
	start := wanted.Start
	return v1.Config{
		User: id + ":" + id, Env: start.Env, Entrypoint: start.Entrypoint, Cmd: start.Cmd, WorkingDir: start.WorkingDir,
		Volumes: set(start.Volumes), ExposedPorts: set(start.Ports), StopSignal: start.StopSignal, Labels: wanted.Labels(),
	}
}

func set(names []string) map[string]struct{} {
	members := make(map[string]struct{}, len(names))
	for _, name := range names {
		members[name] = struct{}{}
	}
	return members
}

func tagsOf(wanted recipe.Image, image v1.Image) ([]string, error) {
	if !wanted.ContentTag {
		return []string{wanted.Tag}, nil
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, err
	}
	return []string{digest.Hex[:contentTagLength], wanted.Tag}, nil
}
