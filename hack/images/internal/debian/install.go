package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/command"
)

// Tool is a program of this machine and the package that brings it.
type Tool struct {
	Program, Package string
}

// ErrNeedsRoot is the cause when packages are missing and the user may not install them.
var ErrNeedsRoot = errors.New("run as root, or install them yourself")

// Install installs the packages of those tools that the machine lacks. It asks apt for nothing when all are there.
func Install(ctx context.Context, tools []Tool) error {
	var missing []string
	for _, tool := range tools {
		if _, err := exec.LookPath(tool.Program); err != nil {
			missing = append(missing, tool.Package)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	if os.Geteuid() != 0 {
		return fmt.Errorf("the Debian packages %v are missing: %w", missing, ErrNeedsRoot)
	}
	if err := command.RunIn(ctx, "/", "apt-get", "update", "-q"); err != nil {
		return fmt.Errorf("cannot refresh the package lists: %w", err)
	}
	args := append([]string{"install", "-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"}, missing...)
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if err := command.Run(cmd); err != nil {
		return fmt.Errorf("cannot install %v: %w", missing, err)
	}
	return nil
}
