package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	endLimit = 10 * time.Second
	poll     = 50 * time.Millisecond
	// searchPath is all that processes have of this one's environment: what a cluster does must not depend on who
	// starts it, and a proxy for HTTP would swallow what its parts say to each other.
	searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// Spec is one program to keep running.
type Spec struct {
	// Name of the process; its log is <name>.log.
	Name string
	// Path of the program.
	Path string
	// Args of the program.
	Args []string
	// Restart is any text whose change calls for a restart, such as the content of a configuration file.
	Restart string
}

// Table keeps processes; their records and logs are in a folder.
type Table struct {
	// Dir holds <name>.json and <name>.log.
	Dir string
}

// record is what is known of a started process.
type record struct {
	PID int `json:"pid"`
	// Started is the moment the process started, in clock ticks since boot.
	Started string `json:"started"`
	// Spec is a digest of what it was started with.
	Spec string `json:"spec"`
}

// Ensure makes sure the process runs as specified and reports whether it had to be started.
func (t Table) Ensure(ctx context.Context, spec Spec) (bool, error) {
	known, err := t.read(spec.Name)
	if err != nil {
		return false, err
	}
	if known != nil && isAlive(*known) {
		if known.Spec == spec.digest() {
			return false, nil
		}
		if err := t.Stop(ctx, spec.Name); err != nil {
			return false, err
		}
	}
	return true, t.start(spec)
}

func (t Table) start(spec Spec) error {
	if err := os.MkdirAll(t.Dir, 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(t.LogPath(spec.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", spec.Name, err)
	}
	defer func() { _ = log.Close() }()
	command := exec.Command(spec.Path, spec.Args...)
	command.Dir = t.Dir
	command.Env = []string{searchPath}
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", spec.Name, err)
	}
	pid := command.Process.Pid
	// Released, not waited for: the process outlives this one.
	defer func() { _ = command.Process.Release() }()
	started, _, err := stat(pid)
	if err != nil {
		return fmt.Errorf("%s ended at once: %s", spec.Name, t.Tail(spec.Name, 10))
	}
	data, err := json.Marshal(record{PID: pid, Started: started, Spec: spec.digest()})
	if err != nil {
		return err
	}
	unfinished := t.recordPath(spec.Name) + ".unfinished"
	if err := os.WriteFile(unfinished, data, 0o600); err != nil {
		return fmt.Errorf("remember %s: %w", spec.Name, err)
	}
	return os.Rename(unfinished, t.recordPath(spec.Name))
}

// Alive reports whether the process runs.
func (t Table) Alive(name string) bool {
	known, err := t.read(name)
	return err == nil && known != nil && isAlive(*known)
}

// Stop ends the process: it is asked, and after ten seconds made to. A process that does not run is no error.
func (t Table) Stop(ctx context.Context, name string) error {
	return t.end(ctx, name, syscall.SIGTERM, syscall.SIGKILL)
}

// Kill ends the process without asking, for one whose data are not needed any more.
func (t Table) Kill(ctx context.Context, name string) error {
	return t.end(ctx, name, syscall.SIGKILL)
}

func (t Table) end(ctx context.Context, name string, signals ...syscall.Signal) error {
	known, err := t.read(name)
	if err != nil || known == nil {
		return err
	}
	for _, signal := range signals {
		if err := known.send(signal); err != nil {
			return fmt.Errorf("end %s: %w", name, err)
		}
		if err = Await(ctx, endLimit, func() (bool, error) { return !isAlive(*known), nil }); err == nil {
			return os.Remove(t.recordPath(name))
		}
	}
	return fmt.Errorf("%s, process %d, does not end: %w", name, known.PID, err)
}

// send signals the process, if it is alive. The handle is taken before the look at the start time, so that a process
// that gets the same id in between is not hit.
func (r record) send(signal syscall.Signal) error {
	handle, err := os.FindProcess(r.PID)
	if err != nil {
		return err
	}
	defer func() { _ = handle.Release() }()
	if !isAlive(r) {
		return nil
	}
	if err := handle.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Await polls until the condition holds, fails, or the limit is over.
func Await(ctx context.Context, limit time.Duration, holds func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		if done, err := holds(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// StopOthers ends every process that the table knows but for those named: parts that an earlier version had.
func (t Table) StopOthers(ctx context.Context, wanted []string) error {
	records, err := filepath.Glob(t.recordPath("*"))
	if err != nil {
		return err
	}
	for _, path := range records {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		if slices.Contains(wanted, name) {
			continue
		}
		if err := t.Stop(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// LogPath is where the process writes.
func (t Table) LogPath(name string) string { return filepath.Join(t.Dir, name+".log") }

// Tail returns the last lines the process wrote.
func (t Table) Tail(name string, lines int) string {
	data, err := os.ReadFile(t.LogPath(name))
	if err != nil {
		return "(no log)"
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func (t Table) recordPath(name string) string { return filepath.Join(t.Dir, name+".json") }

func (t Table) read(name string) (*record, error) {
	data, err := os.ReadFile(t.recordPath(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	var known record
	if err := json.Unmarshal(data, &known); err != nil || known.PID <= 1 {
		// A record that says nothing names no process.
		return nil, nil //nolint:nilerr // see above
	}
	return &known, nil
}

func (s Spec) digest() string {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{s.Path, s.Restart}, s.Args...), "\x00")))
	return hex.EncodeToString(sum[:8])
}

func isAlive(known record) bool {
	started, state, err := stat(known.PID)
	return err == nil && started == known.Started && state != "Z"
}

// stat returns the start time and the state of a process from /proc.
func stat(pid int) (started, state string, err error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", "", err
	}
	return parseStat(string(data))
}

// parseStat reads fields 3 and 22 of /proc/<pid>/stat; the name in field 2 may hold anything, brackets included.
func parseStat(text string) (started, state string, err error) {
	end := strings.LastIndexByte(text, ')')
	fields := strings.Fields(text[end+1:])
	if end < 0 || len(fields) < 20 {
		return "", "", errors.New("not a process status")
	}
	return fields[19], fields[0], nil
}
