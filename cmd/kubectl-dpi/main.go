// Command kubectl-dpi is the kubectl plugin `kubectl dpi`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/dpi-operator/dpi-operator/internal/cli"
)

func main() { os.Exit(run()) }

// wouldChange is what `plan --exit-code` ends with where there is something to do.
const wouldChange = 2

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	err := cli.NewCommand(streams).ExecuteContext(ctx)
	if errors.Is(err, cli.ErrWouldChange) {
		return wouldChange
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}
