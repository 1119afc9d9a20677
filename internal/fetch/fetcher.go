package fetch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	defaultTimeout    = time.Minute
	defaultMaxFetches = 8
	// resolvedTTL is how long a version is taken to mean the same archive. Versions do not move, but people do move them.
	resolvedTTL = 10 * time.Minute
	// maxResolved bounds the memory of versions; it is emptied when full.
	maxResolved = 1024
)

// Fetcher gets archives. It is safe for concurrent use; equal requests at the same time become one.
type Fetcher struct {
	options Options
	client  *http.Client
	cache   cache
	flights singleflight.Group

	// slots bound the fetches at the same time.
	slots chan struct{}

	mu       sync.Mutex
	resolved map[string]resolution
	// unheard are results of fetches that nobody waited for to the end; each is told once.
	unheard map[string]error
}

type resolution struct {
	digest string
	until  time.Time
}

// New returns a Fetcher, creating its cache directory.
func New(options Options) (*Fetcher, error) {
	options.MaxBytes = cmp.Or(options.MaxBytes, DefaultMaxBytes)
	options.Timeout = cmp.Or(options.Timeout, defaultTimeout)
	options.MaxFetches = cmp.Or(options.MaxFetches, defaultMaxFetches)
	store, err := newCache(options.CacheDir)
	if err != nil {
		return nil, err
	}
	return &Fetcher{
		options: options, client: &http.Client{}, cache: store,
		slots:    make(chan struct{}, options.MaxFetches),
		resolved: map[string]resolution{}, unheard: map[string]error{},
	}, nil
}

// Get returns the archive a reference names. Errors match the package's Err values, or the context's.
func (f *Fetcher) Get(ctx context.Context, ref Reference) (Archive, error) {
	if err := checkDigest(ref.Digest); err != nil {
		return Archive{}, err
	}
	if !strings.Contains(ref.URL, "://") {
		return f.local(ref)
	}
	if parsed, err := url.Parse(ref.URL); err != nil || parsed.User != nil {
		return Archive{}, fmt.Errorf("%w: the address cannot be read, or holds credentials: give those in a Secret", ErrInvalidReference)
	}
	if archive, found := f.cached(ref); found {
		return archive, nil
	}
	if err := f.hear(key(ref)); err != nil {
		return Archive{}, err
	}
	flight := f.flights.DoChan(key(ref), func() (any, error) { return f.fly(ctx, ref) })
	var patience <-chan time.Time
	if f.options.Patience > 0 {
		timer := time.NewTimer(f.options.Patience)
		defer timer.Stop()
		patience = timer.C
	}
	select {
	case <-ctx.Done():
		return Archive{}, ctx.Err()
	case <-patience:
		go f.listen(key(ref), flight)
		return Archive{}, fmt.Errorf("%w from %s", ErrFetching, ref.URL)
	case result := <-flight:
		archive, _ := result.Val.(Archive)
		return archive, result.Err
	}
}

// fly fetches. It is not bound to the caller that happens to start it: others wait for it, too.
func (f *Fetcher) fly(ctx context.Context, ref Reference) (Archive, error) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	default:
		return Archive{}, fmt.Errorf("%w: it waits for others", ErrFetching)
	}
	shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.options.Timeout)
	defer cancel()
	return f.remote(shared, ref)
}

// listen keeps a failure for the next one who asks. Successes are in the cache.
func (f *Fetcher) listen(key string, flight <-chan singleflight.Result) {
	if result := <-flight; result.Err != nil && !errors.Is(result.Err, ErrFetching) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.unheard) >= maxResolved {
			clear(f.unheard)
		}
		f.unheard[key] = result.Err
	}
}

// hear returns, once, how a fetch failed that nobody waited for.
func (f *Fetcher) hear(key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.unheard[key]
	delete(f.unheard, key)
	return err
}

// cached answers without the network where the digest is pinned, or was seen lately.
func (f *Fetcher) cached(ref Reference) (Archive, bool) {
	digest := ref.Digest
	if digest == "" {
		f.mu.Lock()
		known := f.resolved[key(ref)]
		f.mu.Unlock()
		if time.Now().After(known.until) {
			return Archive{}, false
		}
		digest = known.digest
	}
	data, found := f.cache.get(digest)
	return Archive{Digest: digest, Data: data}, found
}

func (f *Fetcher) remote(ctx context.Context, ref Reference) (Archive, error) {
	var data []byte
	var err error
	switch scheme, _, _ := strings.Cut(ref.URL, "://"); scheme {
	case "oci":
		data, err = f.fromRegistry(ctx, ref)
	case "https", "http":
		data, err = f.fromRepository(ctx, ref)
	default:
		err = fmt.Errorf("%w: %s: use oci:// or https://", ErrInvalidReference, ref.URL)
	}
	if err != nil {
		return Archive{}, err
	}
	archive, err := verified(ref, data)
	if err != nil {
		return Archive{}, err
	}
	if err := f.cache.put(archive); err != nil {
		return Archive{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.resolved) >= maxResolved {
		clear(f.resolved)
	}
	f.resolved[key(ref)] = resolution{digest: archive.Digest, until: time.Now().Add(resolvedTTL)}
	return archive, nil
}

func verified(ref Reference, data []byte) (Archive, error) {
	digest := digestOf(data)
	if ref.Digest != "" && ref.Digest != digest {
		return Archive{}, fmt.Errorf("%w: %s is %s, pinned is %s", ErrDigestMismatch, describe(ref), digest, ref.Digest)
	}
	return Archive{Digest: digest, Data: data}, nil
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func checkDigest(digest string) error {
	if digest == "" {
		return nil
	}
	sum, err := hex.DecodeString(strings.TrimPrefix(digest, "sha256:"))
	if err != nil || len(sum) != sha256.Size || !strings.HasPrefix(digest, "sha256:") {
		return fmt.Errorf("%w: digest %q must be sha256: and 64 hexadecimal digits", ErrInvalidReference, digest)
	}
	return nil
}

// key tells requests apart; credentials are part of it, so that nobody is served what only others may read.
func key(ref Reference) string {
	sum := sha256.New()
	for _, part := range []string{
		ref.URL, ref.Chart, ref.Version, ref.Digest, strconv.FormatBool(ref.PlainHTTP),
		string(ref.Credentials.DockerConfigJSON), ref.Credentials.Username, ref.Credentials.Password,
	} {
		sum.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func describe(ref Reference) string {
	name := ref.URL
	if ref.Chart != "" {
		name += " " + ref.Chart
	}
	if ref.Version != "" {
		name += " " + ref.Version
	}
	return name
}

// transient keeps a context's end recognisable and calls everything else unreachable.
func transient(ref Reference, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrUnreachable, describe(ref), err)
}
