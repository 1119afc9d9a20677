package process

import (
	"context"
	"syscall"
	"testing"
	"time"
)

func TestParseStat_survivesOddNames(t *testing.T) {
	started, state, err := parseStat("42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1")
	if err != nil || started != "987654" || state != "S" {
		t.Errorf("got %q, %q, %v", started, state, err)
	}
	if _, _, err := parseStat("nonsense"); err == nil {
		t.Error("nonsense was accepted")
	}
}

func TestEnsure_keepsWhatRunsAndReplacesWhatDied(t *testing.T) {
	ctx := context.Background()
	table := Table{Dir: t.TempDir()}
	spec := Spec{Name: "sleeper", Path: "/bin/sleep", Args: []string{"300"}}
	started, err := table.Ensure(ctx, spec)
	if err != nil || !started {
		t.Fatalf("started %v, %v", started, err)
	}
	t.Cleanup(func() { _ = table.Stop(ctx, "sleeper") })
	if started, err = table.Ensure(ctx, spec); err != nil || started {
		t.Fatalf("a running process was started again: %v", err)
	}
	known, err := table.read("sleeper")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(known.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := Await(ctx, 5*time.Second, func() bool { return !table.Alive("sleeper") }); err != nil {
		t.Fatal(err)
	}
	if started, err = table.Ensure(ctx, spec); err != nil || !started {
		t.Fatalf("a killed process was not replaced: %v", err)
	}
	if err := table.Stop(ctx, "sleeper"); err != nil || table.Alive("sleeper") {
		t.Errorf("not stopped: %v", err)
	}
}
