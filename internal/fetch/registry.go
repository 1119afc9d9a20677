package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// chartLayer is the media type of a chart archive in a registry, as Helm pushes it.
const chartLayer = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

const maxManifestBytes = 4 << 20

func (f *Fetcher) fromRegistry(ctx context.Context, ref Reference) ([]byte, error) {
	if ref.Version == "" {
		return nil, fmt.Errorf("%w: %s needs a version", ErrInvalidReference, ref.URL)
	}
	repository, err := remote.NewRepository(strings.TrimPrefix(ref.URL, "oci://"))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalidReference, ref.URL, err)
	}
	repository.PlainHTTP = ref.PlainHTTP
	credential, err := registryCredential(ref.Credentials)
	if err != nil {
		return nil, err
	}
	repository.Client = &auth.Client{Client: f.client, Credential: credential, Cache: auth.NewCache()}
	// A tag cannot hold a plus sign; Helm pushes an underscore instead.
	tag := strings.ReplaceAll(ref.Version, "+", "_")
	_, manifest, err := oras.FetchBytes(ctx, repository, tag, oras.FetchBytesOptions{MaxBytes: maxManifestBytes})
	if err != nil {
		return nil, registryError(ref, err)
	}
	layer, err := findLayer(manifest)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNotFound, describe(ref), err)
	}
	if layer.Size > f.options.MaxBytes {
		return nil, fmt.Errorf("%w: %s has %d bytes, the limit is %d", ErrTooLarge, describe(ref), layer.Size, f.options.MaxBytes)
	}
	data, err := content.FetchAll(ctx, repository, layer)
	if errors.Is(err, content.ErrMismatchedDigest) {
		return nil, fmt.Errorf("%w: %s: the registry sent other bytes than its manifest says", ErrDigestMismatch, describe(ref))
	}
	if err != nil {
		return nil, registryError(ref, err)
	}
	return data, nil
}

func findLayer(manifest []byte) (ocispec.Descriptor, error) {
	var parsed ocispec.Manifest
	if err := json.Unmarshal(manifest, &parsed); err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("its manifest cannot be read: %w", err)
	}
	for _, layer := range parsed.Layers {
		if layer.MediaType == chartLayer {
			return layer, nil
		}
	}
	return ocispec.Descriptor{}, errors.New("it is not a Helm chart: it has no chart layer")
}

func registryCredential(given Credentials) (auth.CredentialFunc, error) {
	if len(given.DockerConfigJSON) > 0 {
		store, err := credentials.NewMemoryStoreFromDockerConfig(given.DockerConfigJSON)
		if err != nil {
			// The error would quote the configuration.
			return nil, fmt.Errorf("%w: the docker configuration of the credentials is not valid JSON", ErrInvalidReference)
		}
		return credentials.Credential(store), nil
	}
	if given.Username != "" || given.Password != "" {
		fixed := auth.Credential{Username: given.Username, Password: given.Password}
		return func(context.Context, string) (auth.Credential, error) { return fixed, nil }, nil
	}
	return nil, nil
}

func registryError(ref Reference, err error) error {
	var response *errcode.ErrorResponse
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return fmt.Errorf("%w: %s", ErrNotFound, describe(ref))
	case errors.Is(err, errdef.ErrSizeExceedsLimit):
		return fmt.Errorf("%w: %s", ErrTooLarge, describe(ref))
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return fmt.Errorf("%w: %s: it wants credentials", ErrUnauthorized, describe(ref))
	case errors.As(err, &response) && response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: %s", ErrNotFound, describe(ref))
	case errors.As(err, &response) && (response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden):
		return fmt.Errorf("%w: %s: HTTP %d", ErrUnauthorized, describe(ref), response.StatusCode)
	}
	return transient(ref, err)
}
