package assemble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/debian"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/layer"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/recipe"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/store"
)

// Assembler builds images into a store.
type Assembler struct {
	// Store holds what was built before and receives what is built now.
	Store *store.Store
	// WorkDir is where the search for this repository's root module starts.
	WorkDir string
	// Catalogue holds all recipes: a step may need another image.
	Catalogue []recipe.Image
	// Report is told what happens, one line at a time.
	Report func(line string)
}

// Image is an image that is complete in the store.
type Image struct {
	v1.Image
	Recipe recipe.Image
	// Tags are the tags it is pushed under, the most telling first.
	Tags []string
	// Bytes is the compressed size of all its layers.
	Bytes int64
}

// requirements are the tools of the machine that the steps call.
var requirements = []debian.Tool{
	{Program: "mmdebstrap", Package: "mmdebstrap"},
	{Program: "mvn", Package: "maven"},
	{Program: "javac", Package: "openjdk-17-jdk-headless"},
	{Program: "python3", Package: "python3"},
	{Program: "unshare", Package: "util-linux"},
	{Program: "tar", Package: "tar"},
}

// Build makes the image, layer by layer, and lists it in the store. What the store has already is not made again.
func (a *Assembler) Build(ctx context.Context, wanted recipe.Image) (*Image, error) {
	steps, layers, err := a.layers(ctx, wanted)
	if err != nil {
		return nil, err
	}
	image, err := combine(wanted, steps, layers)
	if err != nil {
		return nil, err
	}
	return image, a.Store.WriteImage(ctx, wanted.Repository()+":"+wanted.Tag, image)
}

// layers finds or makes the layers of an image, and returns them with the steps they come from.
func (a *Assembler) layers(ctx context.Context, wanted recipe.Image) ([]recipe.Step, []*store.Layer, error) {
	steps, err := a.compilePrograms(ctx, wanted.Steps)
	if err != nil {
		return nil, nil, err
	}
	keys, err := recipe.Keys(steps, runtime.GOARCH)
	if err != nil {
		return nil, nil, err
	}
	layers := make([]*store.Layer, 0, len(steps))
	for i, step := range steps {
		made, err := a.layer(ctx, keys[i], step, layers)
		if err != nil {
			return nil, nil, fmt.Errorf("image %s, step %q: %w", wanted.Name, step.Describe(), err)
		}
		layers = append(layers, made)
	}
	return steps, layers, nil
}

// Find returns the image if the store has all of it, and nil when something would have to be built.
func (a *Assembler) Find(wanted recipe.Image) (*Image, error) {
	steps, err := a.compiledPrograms(wanted.Steps)
	if err != nil || steps == nil {
		return nil, err
	}
	keys, err := recipe.Keys(steps, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	layers := make([]*store.Layer, 0, len(steps))
	for _, key := range keys {
		found, ok, err := a.Store.Layer(key)
		if err != nil || !ok {
			return nil, err
		}
		layers = append(layers, found)
	}
	return combine(wanted, steps, layers)
}

// layer finds or makes the layer of a step. Only one process at a time makes a layer; the others wait and then find it.
func (a *Assembler) layer(ctx context.Context, key string, step recipe.Step, below []*store.Layer) (_ *store.Layer, err error) {
	found, ok, err := a.Store.Layer(key)
	if err != nil || ok {
		return found, err
	}
	unlock, err := a.Store.Lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	found, ok, err = a.Store.Layer(key)
	if err != nil || ok {
		return found, err
	}
	a.Report("making " + step.Describe())
	if err := debian.Install(ctx, requirements); err != nil {
		return nil, err
	}
	return a.makeLayer(ctx, key, step, below)
}

func (a *Assembler) makeLayer(ctx context.Context, key string, step recipe.Step, below []*store.Layer) (_ *store.Layer, err error) {
	dir, err := a.Store.Temp()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	packing, err := a.carryOut(ctx, step, dir, below)
	if err != nil {
		return nil, err
	}
	return a.Store.WriteLayer(key, step.Describe(), func(w io.Writer) error {
		return layer.WriteTree(w, dir, packing.filter, packing.owners)
	})
}
