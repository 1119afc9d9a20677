package dryrun

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/fetch"
)

// Source gets chart archives.
type Source interface {
	Get(ctx context.Context, reference fetch.Reference) (fetch.Archive, error)
}

// Elsewhere gets charts from another place than the catalogue names: an OCI registry with a prefix (`oci://host/charts`), a
// Helm repository (`https://…`), or a directory with charts.
type Elsewhere struct {
	Source     Source
	Repository string
	// PlainHTTP allows an unencrypted registry.
	PlainHTTP bool
}

// Get returns the archive of that chart and version from there. A pinned digest still holds.
func (e Elsewhere) Get(ctx context.Context, reference fetch.Reference) (fetch.Archive, error) {
	other := fetch.Reference{
		URL: e.Repository, Chart: reference.Chart, Version: reference.Version, Digest: reference.Digest, PlainHTTP: e.PlainHTTP,
	}
	switch {
	case strings.HasPrefix(e.Repository, "oci://"):
		other.URL = strings.TrimSuffix(e.Repository, "/") + "/" + reference.Chart
	case !strings.Contains(e.Repository, "://"):
		other.URL = filepath.Join(e.Repository, reference.Chart)
		if _, err := os.Stat(other.URL); err != nil {
			other.URL = filepath.Join(e.Repository, reference.Chart+"-"+reference.Version+".tgz")
		}
	}
	return e.Source.Get(ctx, other)
}

// chartProblem says what is wrong with a chart and what to do; nothing if the error is about something else.
func chartProblem(err error, reference fetch.Reference) string {
	const elsewhere = "--chart-repository"
	name := fmt.Sprintf("chart %s %s", reference.Chart, reference.Version)
	text := strings.Join(strings.Fields(err.Error()), " ")
	switch {
	case errors.Is(err, fetch.ErrUnreachable):
		return fmt.Sprintf("cannot get %s: %s; if that address is known within the cluster only, say where this machine finds the charts: "+
			"%s oci://… or a directory", name, text, elsewhere)
	case errors.Is(err, fetch.ErrNotFound):
		return fmt.Sprintf("cannot get %s: %s; publish it there, or look elsewhere with %s", name, text, elsewhere)
	case errors.Is(err, fetch.ErrUnauthorized):
		return fmt.Sprintf("cannot get %s: %s; look where no credentials are wanted with %s", name, text, elsewhere)
	case errors.Is(err, fetch.ErrDigestMismatch):
		return fmt.Sprintf("cannot use %s: %s; the cluster has another archive of that version", name, text)
	case errors.Is(err, fetch.ErrInvalidReference), errors.Is(err, fetch.ErrTooLarge), errors.Is(err, fetch.ErrFetching):
		return fmt.Sprintf("cannot use %s: %s", name, text)
	}
	return ""
}
