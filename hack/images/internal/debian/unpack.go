package debian

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/command"
)

// Unpack unpacks the packages and everything they depend on into the directory, which must exist and be empty. No maintainer
// script runs, so nothing is configured: accounts, certificate bundles and caches are the caller's. Each package's control
// data is left in var/lib/dpkg/status.d, where vulnerability scanners look for it.
func Unpack(ctx context.Context, suite string, packages []string, dir string) error {
	// The archives are only there between their download and the end of the unpacking.
	const keepControlData = `mkdir -p "$1/var/lib/dpkg/status.d"
		for deb in "$1"/var/cache/apt/archives/*.deb; do
			dpkg-deb --field "$deb" > "$1/var/lib/dpkg/status.d/$(dpkg-deb --field "$deb" Package)"
		done`
	err := command.RunIn(ctx, dir, "mmdebstrap",
		"--quiet", "--mode=root", "--variant=extract", "--format=directory",
		"--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
		"--extract-hook="+keepControlData,
		"--include="+strings.Join(packages, ","),
		suite, dir)
	if err != nil {
		return fmt.Errorf("cannot unpack Debian packages, check that apt-get update works: %w", err)
	}
	return bundleCertificates(dir)
}

// bundleCertificates does what the script of ca-certificates would: one file with every authority.
func bundleCertificates(root string) error {
	files, err := filepath.Glob(filepath.Join(root, "usr/share/ca-certificates/mozilla/*.crt"))
	if err != nil || len(files) == 0 {
		return err
	}
	var bundle []byte
	for _, file := range files {
		certificate, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		bundle = append(bundle, certificate...)
	}
	dir := filepath.Join(root, "etc/ssl/certs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "ca-certificates.crt"), bundle, 0o644)
}
