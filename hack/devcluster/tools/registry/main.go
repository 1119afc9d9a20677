// Command registry is an OCI registry that serves one store, without encryption or passwords, on several addresses: those
// must not be reachable from other machines.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"golang.org/x/sync/errgroup"
)

const (
	readHeaderTimeout = 10 * time.Second
	shutdownTimeout   = 5 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("registry", flag.ContinueOnError)
	path := flags.String("config", "", "configuration file, as of the distribution registry")
	listen := flags.String("listen", "127.0.0.1:5000", "addresses to serve on, separated by commas")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := read(*path)
	if err != nil {
		return err
	}
	return serve(ctx, handlers.NewApp(ctx, config), strings.Split(*listen, ","))
}

func read(path string) (*configuration.Configuration, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration, name it with --config: %w", err)
	}
	defer func() { _ = file.Close() }()
	config, err := configuration.Parse(file)
	if err != nil {
		return nil, fmt.Errorf("cannot understand %s: %w", path, err)
	}
	return config, nil
}

// serve answers on all addresses until the context ends or one of them fails.
func serve(ctx context.Context, handler http.Handler, addresses []string) error {
	group, ctx := errgroup.WithContext(ctx)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: readHeaderTimeout}
	for _, address := range addresses {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("cannot serve on %s, free it or name another with --listen: %w", address, err)
		}
		group.Go(func() error { return server.Serve(listener) })
	}
	group.Go(func() error {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		return server.Shutdown(ending)
	})
	if err := group.Wait(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
