// Command images builds the container images of the demo and the end-to-end tests from package registries, without a
// container engine.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/cli"
	"github.com/dpi-operator/dpi-operator/hack/images/sources"
)

func main() {
	// What an image's user may read must not depend on who builds the image.
	syscall.Umask(0o022)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := cli.New(sources.FS).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}
