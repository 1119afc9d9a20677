package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.SetLogger(logr.Discard())
	command := measureAll
	if len(os.Args) > 1 && os.Args[1] == helmCommand {
		command = helmMain
	}
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called right before
	}
}

// options of a run.
type options struct {
	components, chainLength, chains, failing int
	// requests shows which requests were made.
	requests bool
	// pprofAddress is where the operator serves its profiles meanwhile.
	pprofAddress string
	skipHelm     bool
}

func parse(arguments []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.components, "components", 100, "independent components")
	flags.IntVar(&o.chainLength, "chain", 10, "components of a chain")
	flags.IntVar(&o.chains, "chains", 5, "how many chains are run one after the other")
	flags.IntVar(&o.failing, "failing", 50, "components of which every second one fails")
	flags.BoolVar(&o.requests, "requests", false, "list the operator's requests by verb and resource")
	flags.StringVar(&o.pprofAddress, "pprof", "0", "loopback address at which the operator serves its profiles meanwhile")
	flags.BoolVar(&o.skipHelm, "skip-helm", false, "measure the operator only")
	return o, flags.Parse(arguments)
}

// measureAll runs every scenario and prints the table.
func measureAll(ctx context.Context, arguments []string, out io.Writer) (err error) {
	o, err := parse(arguments)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "dpi-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, stop, err := newBench(ctx, o, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	var results []result
	for _, scenario := range b.scenarios() {
		fmt.Fprintf(os.Stderr, "%s…\n", scenario.name)
		each, err := scenario.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", scenario.name, err)
		}
		results = append(results, each...)
	}
	return printResults(out, results, o)
}
