package command

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// tailLines is how much of a failed program's output an error repeats.
const tailLines = 15

// Run runs the command to its end. When it fails the error holds its name and the end of its output.
func Run(cmd *exec.Cmd) error {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd.Args[0], err, Tail(output.String()))
	}
	return nil
}

// RunIn runs a program in a directory, as Run does.
func RunIn(ctx context.Context, dir, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	return Run(cmd)
}

// Tail returns the last lines of a program's output.
func Tail(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return strings.Join(lines, "\n")
}
