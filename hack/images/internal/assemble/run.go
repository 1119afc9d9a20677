package assemble

import (
	"context"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/recipe"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/sandbox"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/store"
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

func openers(layers []*store.Layer) []sandbox.Opener {
	opens := make([]sandbox.Opener, 0, len(layers))
	for _, layer := range layers {
		opens = append(opens, layer.Uncompressed)
	}
	return opens
}
