package crash

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/fetch"
)

// serveCharts packs the charts of a directory and serves them as a Helm repository on loopback.
func serveCharts(ctx context.Context, dir string) (packed map[string][]byte, address string, err error) {
	fetcher, err := fetch.New(fetch.Options{AllowLocal: true})
	if err != nil {
		return nil, "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, "", err
	}
	packed = map[string][]byte{}
	index := map[string]any{}
	for _, entry := range entries {
		archive, err := fetcher.Get(ctx, fetch.Reference{URL: filepath.Join(dir, entry.Name())})
		if err != nil {
			return nil, "", err
		}
		packed[entry.Name()] = archive.Data
		index[entry.Name()] = []any{map[string]any{
			"name": entry.Name(), "version": "1.0.0", "digest": strings.TrimPrefix(archive.Digest, "sha256:"),
			"urls": []string{entry.Name() + "-1.0.0.tgz"},
		}}
	}
	document, err := json.Marshal(map[string]any{"apiVersion": "v1", "entries": index})
	if err != nil {
		return nil, "", err
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		name := strings.TrimSuffix(strings.TrimPrefix(request.URL.Path, "/"), "-1.0.0.tgz")
		answer, found := packed[name]
		if name == "index.yaml" {
			answer, found = document, true
		}
		if !found {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(answer)
	}))
	context.AfterFunc(ctx, server.Close)
	return packed, server.URL, nil
}
