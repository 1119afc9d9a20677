// Command registry is the coordination registry.
package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/registry"
)

// version is set by the build.
var version = "dev"

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if len(os.Args) > 1 && os.Args[1] == "token" {
		err = token()
	} else {
		err = serve(ctx, os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		return 1
	}
	return 0
}

// token prints a new token for a reporter and what the reporters' file holds of it.
func token() error {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	text := base64.RawURLEncoding.EncodeToString(secret)
	_, err := fmt.Fprintf(os.Stdout, "token: %s\ntokenHash: %s\n", text, registry.HashToken(text))
	return err
}

func serve(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("registry", flag.ContinueOnError)
	listen := flags.String("listen", ":8080", "address to serve on")
	path := flags.String("db", "registry.db", "SQLite file")
	reporters := flags.String("reporters", "reporters.yaml", "file with the enrolled reporters")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	store, err := registry.Open(ctx, *path)
	if err != nil {
		return err
	}
	known := registry.Reporters{Path: *reporters}
	if _, err := known.Load(); err != nil {
		return errors.Join(err, store.Close())
	}
	app := &registry.Server{Store: store, Reporters: known, Log: log, Now: time.Now}
	server := &http.Server{
		Addr: *listen, Handler: app.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 15 * time.Second,
	}
	log.Info("Serving", "version", version, "address", *listen)
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err = <-failed:
	case <-ctx.Done():
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = server.Shutdown(bounded)
	}
	return errors.Join(err, store.Close())
}
