package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// parameters are the kernel's settings that a node changes: the first for its pods, the others by the kubelet and
// kube-proxy of their own accord.
var parameters = []string{
	"net/ipv4/ip_forward",
	"net/ipv4/conf/all/route_localnet",
	"kernel/keys/root_maxbytes",
	"kernel/keys/root_maxkeys",
	"kernel/panic",
	"kernel/panic_on_oops",
	"vm/overcommit_memory",
	"vm/panic_on_oom",
}

// Kernel is the kernel's settings, with what they were before the cluster.
type Kernel struct {
	// Record is the file that remembers them.
	Record string
}

// Remember writes down the settings as they are, unless it did before.
func (k Kernel) Remember() error {
	if _, err := os.Stat(k.Record); err == nil {
		return nil
	}
	before := map[string]string{}
	for _, name := range parameters {
		data, err := os.ReadFile(parameterPath(name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the kernel's %s: %w", name, err)
		}
		before[name] = strings.TrimSpace(string(data))
	}
	data, err := json.MarshalIndent(before, "", "  ")
	if err != nil {
		return err
	}
	unfinished := k.Record + ".unfinished"
	if err := os.WriteFile(unfinished, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("remember the kernel's settings: %w", err)
	}
	return os.Rename(unfinished, k.Record)
}

// Forward lets the kernel pass packets on, which pods need to reach anything.
func (k Kernel) Forward() error {
	if err := os.WriteFile(parameterPath("net/ipv4/ip_forward"), []byte("1"), 0o644); err != nil {
		return fmt.Errorf("let the kernel forward packets: %w", err)
	}
	return nil
}

// Restore puts the settings back that differ from what is remembered. Without a record it does nothing.
func (k Kernel) Restore() error {
	data, err := os.ReadFile(k.Record)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var before map[string]string
	if err == nil {
		err = json.Unmarshal(data, &before)
	}
	if err != nil {
		return fmt.Errorf("read the kernel's settings from before the cluster: %w", err)
	}
	for _, name := range parameters {
		wanted, known := before[name]
		current, err := os.ReadFile(parameterPath(name))
		if !known || err != nil || strings.TrimSpace(string(current)) == wanted {
			continue
		}
		if err := os.WriteFile(parameterPath(name), []byte(wanted), 0o644); err != nil {
			return fmt.Errorf("put the kernel's %s back to %s: %w", name, wanted, err)
		}
	}
	return nil
}

func parameterPath(name string) string { return filepath.Join("/proc/sys", name) }
