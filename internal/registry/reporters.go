package registry

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Reporter is an enrolled sender and what it may speak for.
type Reporter struct {
	// ID names the reporter in the sources of its events.
	ID string `json:"id"`
	// TokenHash is `sha256:<hex>` of its bearer token. The token itself is kept nowhere.
	TokenHash string `json:"tokenHash"`
	// Organisations it may speak for, by URI.
	Organisations []string `json:"organisations"`
	// Jurisdictions it may speak for, as `scheme:code`.
	Jurisdictions []string `json:"jurisdictions"`
}

// Reporters are the enrolled reporters of a file. The file is read at each use, so that a changed Secret takes effect
// without a restart.
type Reporters struct {
	// Path of a YAML file with the list `reporters`.
	Path string
}

var errUnauthorized = errors.New("no reporter has this token")

// HashToken returns what is written into the file for a token.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Load reads the file and refuses what could not be used.
func (r Reporters) Load() ([]Reporter, error) {
	data, err := os.ReadFile(filepath.Clean(r.Path))
	if err != nil {
		return nil, fmt.Errorf("read the reporters: %w", err)
	}
	var file struct {
		Reporters []Reporter `json:"reporters"`
	}
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Path, err)
	}
	for _, each := range file.Reporters {
		if each.ID == "" || !strings.HasPrefix(each.TokenHash, "sha256:") || len(each.Organisations) == 0 || len(each.Jurisdictions) == 0 {
			return nil, fmt.Errorf("%s: reporter %q needs id, tokenHash, organisations and jurisdictions", r.Path, each.ID)
		}
	}
	return file.Reporters, nil
}

// authenticate returns the reporter of a request. Every known hash is compared, in constant time.
func (r Reporters) authenticate(request *http.Request) (Reporter, error) {
	token, ok := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return Reporter{}, errUnauthorized
	}
	known, err := r.Load()
	if err != nil {
		return Reporter{}, err
	}
	hash := []byte(HashToken(token))
	found := Reporter{}
	for _, each := range known {
		if subtle.ConstantTimeCompare(hash, []byte(each.TokenHash)) == 1 {
			found = each
		}
	}
	if found.ID == "" {
		return Reporter{}, errUnauthorized
	}
	return found, nil
}

// mayReport reports whether organisation and jurisdictions are within the reporter's scope.
func (r Reporter) mayReport(organisation string, jurisdictions []string) bool {
	if !slices.Contains(r.Organisations, organisation) {
		return false
	}
	for _, each := range jurisdictions {
		country, _, _ := strings.Cut(each, "-")
		if !slices.Contains(r.Jurisdictions, each) && !slices.Contains(r.Jurisdictions, country) {
			return false
		}
	}
	return true
}
