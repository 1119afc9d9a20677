package recipe

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// generation is part of every key: raise it when the same recipe gives other bytes because the tool changed.
const generation = 1

// Keys returns one key per step for the given architecture. Equal keys mean equal layers: a key covers everything the
// step says, and for a step that runs inside the steps before it, those too.
func Keys(steps []Step, arch string) ([]string, error) {
	keys := make([]string, 0, len(steps))
	for _, step := range steps {
		var below []string
		if step.cumulative() {
			below = keys
		}
		key, err := digest(struct {
			Generation int
			Arch       string
			Kind       string
			Step       Step
			Below      []string
		}{generation, arch, fmt.Sprintf("%T", step), step, below})
		if err != nil {
			return nil, fmt.Errorf("step %q has no key: %w", step.Describe(), err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// digest hashes the JSON form, in which the keys of maps are sorted.
func digest(value any) (string, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:]), nil
}
