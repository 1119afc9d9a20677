package recipe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeysAreEqualForEqualSteps(t *testing.T) {
	if diff := cmp.Diff(keys(t, sample()), keys(t, sample())); diff != "" {
		t.Errorf("the same recipe has other keys the second time (-first +second):\n%s", diff)
	}
}

func TestKeysFollowWhatAStepSays(t *testing.T) {
	cases := map[string]struct {
		change func([]Step)
		// changed says which of the four keys have to differ.
		changed [4]bool
	}{
		"another package changes the step and what ran on top of it": {
			func(steps []Step) { steps[0] = Debian{Suite: "bookworm", Packages: []string{"bash", "sed"}} },
			[4]bool{true, false, true, false},
		},
		"another file content changes the step and what ran on top of it": {
			func(steps []Step) { steps[1] = Files{Title: "files", Entries: []File{{Path: "etc/a", Content: "2"}}} },
			[4]bool{false, true, true, false},
		},
		"another command changes the step alone": {
			func(steps []Step) { steps[2] = Run{Title: "run", Argv: []string{"true"}} },
			[4]bool{false, false, true, false},
		},
		"another binary changes the step alone": {
			func(steps []Step) { steps[3] = GoPrograms{Content: map[string]string{"manager": "bb"}} },
			[4]bool{false, false, false, true},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			steps := sample()
			tc.change(steps)
			before, after := keys(t, sample()), keys(t, steps)
			var changed [4]bool
			for i := range changed {
				changed[i] = before[i] != after[i]
			}
			if diff := cmp.Diff(tc.changed, changed); diff != "" {
				t.Errorf("other keys changed than expected (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeysDependOnTheArchitecture(t *testing.T) {
	amd, err := Keys(sample(), "amd64")
	if err != nil {
		t.Fatal(err)
	}
	arm, err := Keys(sample(), "arm64")
	if err != nil {
		t.Fatal(err)
	}
	for i := range amd {
		if amd[i] == arm[i] {
			t.Errorf("key %d is the same for both architectures", i)
		}
	}
}

func sample() []Step {
	return []Step{
		Debian{Suite: "bookworm", Packages: []string{"bash"}},
		Files{Title: "files", Entries: []File{{Path: "etc/a", Content: "1"}}},
		Run{Title: "run", Argv: []string{"false"}},
		GoPrograms{Content: map[string]string{"manager": "aa"}},
	}
}

func keys(t *testing.T, steps []Step) []string {
	t.Helper()
	made, err := Keys(steps, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	return made
}
