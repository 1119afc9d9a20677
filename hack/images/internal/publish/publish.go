package publish

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Registry is a registry to push to.
type Registry struct {
	// Host is its host name with the port, if it has one.
	Host string
	// Options are how references to it are read: name.Insecure for one without TLS.
	Options []name.Option
}

// Outcome says what a push did.
type Outcome string

// What a push can come to.
const (
	Pushed Outcome = "pushed"
	// Present means that every tag pointed at the image before.
	Present Outcome = "already there"
)

// Push makes every tag of the repository point at the image. A tag that does already costs one HEAD request.
func (r Registry) Push(ctx context.Context, repository string, tags []string, image v1.Image) (Outcome, error) {
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	outcome := Present
	for _, tag := range tags {
		reference, err := name.NewTag(r.Host+"/"+repository+":"+tag, r.Options...)
		if err != nil {
			return "", fmt.Errorf("cannot push to %q, expected HOST[:PORT]: %w", r.Host, err)
		}
		current, err := upToDate(reference, image, options)
		if err != nil {
			return "", fmt.Errorf("cannot ask the registry for %s, check that it runs: %w", reference, err)
		}
		if current {
			continue
		}
		if err := remote.Write(reference, image, options...); err != nil {
			return "", fmt.Errorf("cannot push %s: %w", reference, err)
		}
		outcome = Pushed
	}
	return outcome, nil
}

func upToDate(reference name.Reference, image v1.Image, options []remote.Option) (bool, error) {
	wanted, err := image.Digest()
	if err != nil {
		return false, err
	}
	present, err := remote.Head(reference, options...)
	var refused *transport.Error
	if errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return present.Digest == wanted, nil
}
