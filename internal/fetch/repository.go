package fetch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"oras.land/oras-go/v2/registry/remote/credentials"
	"sigs.k8s.io/yaml"
)

// maxIndexBytes bounds the index of a Helm repository; the largest public ones have some 30 MiB.
const maxIndexBytes = 64 << 20

// index is the part of a repository's index.yaml that is needed.
type index struct {
	Entries map[string][]struct {
		Version string   `json:"version"`
		Digest  string   `json:"digest"`
		URLs    []string `json:"urls"`
	} `json:"entries"`
}

// fromRepository gets an archive from a Helm repository, or straight from the URL of an archive.
func (f *Fetcher) fromRepository(ctx context.Context, ref Reference) ([]byte, error) {
	base, err := url.Parse(ref.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalidReference, ref.URL)
	}
	if strings.HasSuffix(base.Path, ".tgz") {
		return f.download(ctx, ref, base, f.options.MaxBytes)
	}
	if ref.Chart == "" || ref.Version == "" {
		return nil, fmt.Errorf("%w: %s is a repository: name a chart and a version", ErrInvalidReference, ref.URL)
	}
	location, digest, err := f.locate(ctx, ref, base)
	if err != nil {
		return nil, err
	}
	data, err := f.download(ctx, ref, location, f.options.MaxBytes)
	if err != nil {
		return nil, err
	}
	if digest != "" && digestOf(data) != "sha256:"+strings.TrimPrefix(digest, "sha256:") {
		return nil, fmt.Errorf("%w: %s: the repository sent other bytes than its index says", ErrDigestMismatch, describe(ref))
	}
	return data, nil
}

// locate looks the archive up in the repository's index.
func (f *Fetcher) locate(ctx context.Context, ref Reference, base *url.URL) (*url.URL, string, error) {
	data, err := f.download(ctx, ref, base.JoinPath("index.yaml"), maxIndexBytes)
	if err != nil {
		return nil, "", err
	}
	var parsed index
	if err := yaml.Unmarshal(data, &parsed); err != nil {
		return nil, "", fmt.Errorf("%w: the index of %s cannot be read: %w", ErrUnreachable, ref.URL, err)
	}
	versions, found := parsed.Entries[ref.Chart]
	if !found {
		return nil, "", fmt.Errorf("%w: %s has no chart %s", ErrNotFound, ref.URL, ref.Chart)
	}
	for _, version := range versions {
		if strings.TrimPrefix(version.Version, "v") != strings.TrimPrefix(ref.Version, "v") || len(version.URLs) == 0 {
			continue
		}
		location, err := base.JoinPath("/").Parse(version.URLs[0])
		if err != nil || (location.Scheme != "https" && location.Scheme != "http") {
			return nil, "", fmt.Errorf("%w: %s names %q for it, which is no web address", ErrUnreachable, describe(ref), version.URLs[0])
		}
		return location, version.Digest, nil
	}
	return nil, "", fmt.Errorf("%w: %s has no version %s of %s", ErrNotFound, ref.URL, ref.Version, ref.Chart)
}

func (f *Fetcher) download(ctx context.Context, ref Reference, location *url.URL, limit int64) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalidReference, ref.URL)
	}
	if err := authorize(request, ref); err != nil {
		return nil, err
	}
	response, err := f.client.Do(request)
	if err != nil {
		return nil, transient(ref, err)
	}
	// What was not read is thrown away with the connection.
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return nil, fmt.Errorf("%w: %s: nothing at %s", ErrNotFound, describe(ref), location.Redacted())
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, fmt.Errorf("%w: %s: HTTP %d", ErrUnauthorized, describe(ref), response.StatusCode)
	default:
		return nil, fmt.Errorf("%w: %s: HTTP %d", ErrUnreachable, describe(ref), response.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, transient(ref, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: %s: more than %d bytes", ErrTooLarge, describe(ref), limit)
	}
	return data, nil
}

// authorize adds the credentials if the request goes to the host that was named: an index must not send them elsewhere.
func authorize(request *http.Request, ref Reference) error {
	named, err := url.Parse(ref.URL)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrInvalidReference, ref.URL)
	}
	if named.Host != request.URL.Host || named.Scheme != request.URL.Scheme {
		return nil
	}
	given := ref.Credentials
	if len(given.DockerConfigJSON) > 0 {
		store, err := credentials.NewMemoryStoreFromDockerConfig(given.DockerConfigJSON)
		if err != nil {
			return fmt.Errorf("%w: the docker configuration of the credentials is not valid JSON", ErrInvalidReference)
		}
		found, err := store.Get(request.Context(), request.URL.Host)
		if err != nil {
			return fmt.Errorf("%w: the docker configuration of the credentials cannot be used", ErrInvalidReference)
		}
		given.Username, given.Password = found.Username, found.Password
	}
	if given.Username != "" || given.Password != "" {
		request.SetBasicAuth(given.Username, given.Password)
	}
	return nil
}
