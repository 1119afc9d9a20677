package assemble

import (
	"context"
	"errors"
	"os"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/recipe"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/sandbox"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/store"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/training"
)

func (a *Assembler) run(ctx context.Context, step recipe.Run, dir string, below []*store.Layer) error {
	box, err := sandbox.New(ctx, dir, recipe.UID, openers(below))
	if err != nil {
		return err
	}
	for _, path := range step.Writable {
		if err := box.GiveAway(path); err != nil {
			return err
		}
	}
	return box.Run(ctx, step.Argv, step.Env)
}

// train starts the server in the directory on the database that another image of the catalogue holds.
func (a *Assembler) train(ctx context.Context, step recipe.ClassArchive, dir string, below []*store.Layer) (err error) {
	database, layers, err := a.buildLayers(ctx, step.Database)
	if err != nil {
		return err
	}
	databaseDir, err := a.Store.Temp()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(databaseDir)) }()
	databaseBox, err := sandbox.New(ctx, databaseDir, recipe.UID, openers(layers))
	if err != nil {
		return err
	}
	serverBox, err := sandbox.New(ctx, dir, recipe.UID, openers(below))
	if err != nil {
		return err
	}
	return training.Run(ctx, databaseBox, training.Database{
		Program: training.Program{Argv: database.Start.Entrypoint, Env: database.Start.Env},
		Data:    database.Start.Volumes[0],
	}, serverBox, training.Server{
		Program: training.Program{Argv: step.Argv, Env: step.Env},
		Ready:   step.Ready, Archive: step.Archive,
	})
}

// buildLayers makes the layers of the image with the name.
func (a *Assembler) buildLayers(ctx context.Context, name string) (recipe.Image, []*store.Layer, error) {
	chosen, err := recipe.Select(a.Catalogue, []string{name})
	if err != nil {
		return recipe.Image{}, nil, err
	}
	_, layers, err := a.layers(ctx, chosen[0])
	return chosen[0], layers, err
}

func openers(layers []*store.Layer) []sandbox.Opener {
	opens := make([]sandbox.Opener, 0, len(layers))
	for _, layer := range layers {
		opens = append(opens, layer.Uncompressed)
	}
	return opens
}
