package process

import (
	"context"
	"encoding/json"
	"os"
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
	if err := Await(ctx, 5*time.Second, func() (bool, error) { return !table.Alive("sleeper"), nil }); err != nil {
		t.Fatal(err)
	}
	if started, err = table.Ensure(ctx, spec); err != nil || !started {
		t.Fatalf("a killed process was not replaced: %v", err)
	}
	if err := table.Stop(ctx, "sleeper"); err != nil || table.Alive("sleeper") {
		t.Errorf("not stopped: %v", err)
	}
}

func TestStop_leavesAProcessThatGotTheSameID(t *testing.T) {
	ctx := context.Background()
	table := Table{Dir: t.TempDir()}
	if _, err := table.Ensure(ctx, Spec{Name: "sleeper", Path: "/bin/sleep", Args: []string{"300"}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Kill(ctx, "sleeper") })
	known, err := table.read("sleeper")
	if err != nil {
		t.Fatal(err)
	}
	stale := *known
	stale.Started = "1"
	data, err := json.Marshal(stale)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(table.recordPath("stale"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if table.Alive("stale") {
		t.Error("another process passes for the one that is gone")
	}
	if err := table.Kill(ctx, "stale"); err != nil {
		t.Fatal(err)
	}
	if !table.Alive("sleeper") {
		t.Error("another process was ended")
	}
}

func TestEnsure_restartsWhatIsToRunOtherwise(t *testing.T) {
	ctx := context.Background()
	table := Table{Dir: t.TempDir()}
	spec := Spec{Name: "sleeper", Path: "/bin/sleep", Args: []string{"300"}, Restart: "first configuration"}
	t.Cleanup(func() { _ = table.Kill(ctx, "sleeper") })
	if _, err := table.Ensure(ctx, spec); err != nil {
		t.Fatal(err)
	}
	before, err := table.read("sleeper")
	if err != nil {
		t.Fatal(err)
	}
	spec.Restart = "second configuration"
	if started, err := table.Ensure(ctx, spec); err != nil || !started {
		t.Fatalf("started %v, %v", started, err)
	}
	if isAlive(*before) {
		t.Error("the process with the first configuration still runs")
	}
}

func TestRead_takesNoCutRecordForAProcess(t *testing.T) {
	table := Table{Dir: t.TempDir()}
	for _, text := range []string{"", `{"pid":`, `{}`, `{"pid":1,"started":"1"}`} {
		if err := os.WriteFile(table.recordPath("x"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if known, err := table.read("x"); known != nil || err != nil {
			t.Errorf("%q: got %v, %v", text, known, err)
		}
	}
}

func TestStopOthers_endsPartsOfAnEarlierVersion(t *testing.T) {
	ctx := context.Background()
	table := Table{Dir: t.TempDir()}
	for _, name := range []string{"kept", "dropped"} {
		if _, err := table.Ensure(ctx, Spec{Name: name, Path: "/bin/sleep", Args: []string{"300"}}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = table.Kill(ctx, name) })
	}
	if err := table.StopOthers(ctx, []string{"kept"}); err != nil {
		t.Fatal(err)
	}
	if !table.Alive("kept") || table.Alive("dropped") {
		t.Errorf("kept %v, dropped %v", table.Alive("kept"), table.Alive("dropped"))
	}
}
