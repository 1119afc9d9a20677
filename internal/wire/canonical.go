package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Canonical rewrites JSON in the one form of RFC 8785: members sorted by name, no space between tokens, shortest escapes.
// Numbers keep their text; the protocol has integers only, which RFC 8785 leaves as they are.
func Canonical(data []byte) ([]byte, error) {
	value, err := parse(data)
	if err != nil {
		return nil, err
	}
	return canonical(value)
}

func parse(data []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, ErrMalformed
	}
	return value, nil
}

func canonical(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("write canonical JSON: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// DigestData is the SHA-256 over an event's data in canonical form. A member observedAt is left out: the same content
// observed again is no news.
func DigestData(data []byte) (string, error) {
	value, err := parse(data)
	if err != nil {
		return "", err
	}
	if object, ok := value.(map[string]any); ok {
		delete(object, "observedAt")
	}
	text, err := canonical(value)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Digest is the digest of a snapshot, equal to DigestData over its JSON.
func Digest(deployment Deployment) (string, error) {
	data, err := json.Marshal(deployment)
	if err != nil {
		return "", fmt.Errorf("write the snapshot: %w", err)
	}
	return DigestData(data)
}
