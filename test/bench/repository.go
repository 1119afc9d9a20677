package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/fetch"
)

// serveRepository serves a Helm repository with one chart on the loopback interface and returns its address.
func serveRepository(ctx context.Context, server *http.Server, archive fetch.Archive) (string, error) {
	index := fmt.Sprintf("apiVersion: v1\nentries:\n  %[1]s:\n    - {name: %[1]s, version: %[2]s, digest: %[3]s, urls: [%[1]s.tgz]}\n",
		chartName, chartVersion, strings.TrimPrefix(archive.Digest, "sha256:"))
	routes := http.NewServeMux()
	serve := func(content []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }
	}
	routes.Handle("/index.yaml", serve([]byte(index)))
	routes.Handle("/"+chartName+".tgz", serve(archive.Data))
	server.Handler = routes
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	// It ends when the server is closed.
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}
