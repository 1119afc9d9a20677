package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"k8s.io/client-go/rest"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// SecretPublisher patches one Secret that exists already. It needs the right to patch that Secret and no other.
type SecretPublisher struct {
	// Config reaches the cluster.
	Config *rest.Config
	// Namespace and Name of the Secret.
	Namespace, Name string
}

// Publish puts the result under provision.ResultKey; other keys stay.
func (p SecretPublisher) Publish(ctx context.Context, result []byte) error {
	client, err := rest.HTTPClientFor(p.Config)
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	base, _, err := rest.DefaultServerUrlFor(p.Config)
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	patch, err := json.Marshal(map[string]any{"data": map[string][]byte{provision.ResultKey: result}})
	if err != nil {
		return fmt.Errorf("encode the patch: %w", err)
	}
	address := base.JoinPath("api/v1/namespaces", url.PathEscape(p.Namespace), "secrets", url.PathEscape(p.Name))
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, address.String(), bytes.NewReader(patch))
	if err != nil {
		return fmt.Errorf("patch Secret %s/%s: %w", p.Namespace, p.Name, err)
	}
	request.Header.Set("Content-Type", "application/merge-patch+json")
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("patch Secret %s/%s: %w", p.Namespace, p.Name, err)
	}
	defer func() { _ = response.Body.Close() }()
	// The answer holds the Secret; it is read so that the connection closes well, and dropped.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxSecretBytes))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("patch Secret %s/%s: the cluster answers %s; it must exist and the Job's service account may patch it", p.Namespace, p.Name, response.Status)
	}
	return nil
}
