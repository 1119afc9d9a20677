package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/assemble"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/publish"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/recipe"
)

type buildFlags struct {
	registry, out, source string
	insecure              bool
}

// Result is one entry of the file that --out names.
type Result struct {
	// Repository has no host, because a registry may have several.
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Digest     string `json:"digest"`
}

func newBuild(sources fs.FS) *cobra.Command {
	var flags buildFlags
	cmd := &cobra.Command{
		Use:   "build [NAME...]",
		Short: "Build images (all by default) and push them to a registry",
		Long: "Build images (all by default) and push them to a registry.\n\n" +
			"What was built before from the same recipe is taken from the cache, what the registry has is not pushed again.",
		RunE: func(cmd *cobra.Command, names []string) error {
			return build(cmd.Context(), sources, flags, names, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&flags.registry, "push", "", "registry to push to, as HOST[:PORT]; without it images stay in the cache")
	cmd.Flags().StringVar(&flags.out, "out", "", "file to write repository, tag and digest of each image to, as JSON")
	cmd.Flags().StringVar(&flags.source, "source", ".", "directory in the repository whose programs are built")
	cmd.Flags().BoolVar(&flags.insecure, "insecure", false, "let the registry be one without TLS")
	return cmd
}

func build(ctx context.Context, sources fs.FS, flags buildFlags, names []string, stderr io.Writer) (err error) {
	workDir, err := filepath.Abs(flags.source)
	if err != nil {
		return err
	}
	session, err := open(ctx, sources)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.store.Close()) }()
	chosen, err := recipe.Select(session.catalogue, names)
	if err != nil {
		return err
	}
	progress := newProgress(stderr, len(chosen))
	assembler := session.assembler(workDir, progress.say)
	results := map[string]Result{}
	for _, wanted := range chosen {
		progress.next(wanted.Name)
		image, err := assembler.Build(ctx, wanted)
		if err != nil {
			return err
		}
		if results[wanted.Name], err = deliver(ctx, flags, image, progress); err != nil {
			return err
		}
	}
	if err := writeResults(flags.out, results); err != nil {
		return err
	}
	return session.store.Prune()
}

func deliver(ctx context.Context, flags buildFlags, image *assemble.Image, progress *progress) (Result, error) {
	digest, err := image.Digest()
	if err != nil {
		return Result{}, err
	}
	result := Result{Repository: image.Recipe.Repository(), Tag: image.Tags[0], Digest: digest.String()}
	summary := fmt.Sprintf("%s:%s, %s", result.Repository, result.Tag, megabytes(image.Bytes))
	if flags.registry == "" {
		progress.say(summary)
		return result, nil
	}
	registry := publish.Registry{Host: flags.registry}
	if flags.insecure {
		registry.Options = append(registry.Options, name.Insecure)
	}
	outcome, err := registry.Push(ctx, result.Repository, image.Tags, image)
	progress.say(summary + ", " + string(outcome))
	return result, err
}

// writeResults replaces the file as a whole, so that no reader sees half of it.
func writeResults(path string, results map[string]Result) error {
	if path == "" {
		return nil
	}
	encoded, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(path, append(encoded, '\n'), 0o644); err != nil {
		return fmt.Errorf("cannot write --out: %w", err)
	}
	return nil
}

func megabytes(size int64) string { return fmt.Sprintf("%.0f MB", float64(size)/1e6) }
