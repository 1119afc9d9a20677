package cli

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/assemble"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/recipe"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/store"
)

// New returns the program's command tree over the embedded sources of the images.
func New(sources fs.FS) *cobra.Command {
	root := &cobra.Command{
		Use:           "images",
		Short:         "Build the container images of the demo and the end-to-end tests without a container engine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newBuild(sources), newList(sources))
	return root
}

// session is what both commands work with.
type session struct {
	store     *store.Store
	catalogue []recipe.Image
}

func open(ctx context.Context, sources fs.FS) (*session, error) {
	catalogue, err := recipe.All(sources)
	if err != nil {
		return nil, err
	}
	root, err := cacheRoot()
	if err != nil {
		return nil, err
	}
	opened, err := store.Open(ctx, filepath.Join(root, "images"))
	if err != nil {
		return nil, err
	}
	return &session{opened, catalogue}, nil
}

func (s *session) assembler(workDir string, report func(string)) *assemble.Assembler {
	return &assemble.Assembler{Store: s.store, WorkDir: workDir, Catalogue: s.catalogue, Report: report}
}

// cacheRoot is the directory all tools of this repository share.
func cacheRoot() (string, error) {
	if dir := os.Getenv("DPI_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "dpi-operator"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no place for the cache, set DPI_CACHE: %w", err)
	}
	return filepath.Join(home, ".cache", "dpi-operator"), nil
}
