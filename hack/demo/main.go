// Command demo is `make demo` and `make demo-down`: it brings a real health exchange up on a real cluster and proves it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/dpi-operator/dpi-operator/internal/demo"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo up|down")
		return 2
	}
	settings, err := demo.SettingsFromEnvironment(os.Stdout)
	if err == nil {
		switch os.Args[1] {
		case "up":
			err = demo.Up(ctx, settings)
		case "down":
			err = demo.Down(ctx, settings)
		default:
			err = fmt.Errorf("%q is not known; say up or down", os.Args[1])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "\nThe demo failed:", err)
		return 1
	}
	return 0
}
