package fetch

import (
	"errors"
	"time"
)

var (
	// ErrInvalidReference means that the reference itself is wrong; only a change of it can help.
	ErrInvalidReference = errors.New("invalid chart reference")
	// ErrNotFound means that the registry or repository answered, and has no such chart or version.
	ErrNotFound = errors.New("chart not found")
	// ErrUnauthorized means that the registry or repository refused the credentials, or wants some.
	ErrUnauthorized = errors.New("chart source refused access")
	// ErrUnreachable means that no usable answer came; trying again may help.
	ErrUnreachable = errors.New("chart source unreachable")
	// ErrFetching means that the archive is still on its way; ask again for the result.
	ErrFetching = errors.New("chart is still being fetched")
	// ErrDigestMismatch means that what came is not what was pinned.
	ErrDigestMismatch = errors.New("chart digest mismatch")
	// ErrTooLarge means that the archive exceeds the size limit.
	ErrTooLarge = errors.New("chart archive too large")
)

// DefaultMaxBytes bounds an archive where Options say nothing else.
const DefaultMaxBytes = 20 << 20

// Reference names one chart archive.
type Reference struct {
	// URL is `oci://host[:port]/path/to/chart` (the chart's own repository), `https://host/path` (a Helm repository with an
	// index.yaml), or the path of a chart directory or .tgz file on disk.
	URL string
	// Chart name within a Helm repository; not used for the others.
	Chart string
	// Version, exact. Not used for paths.
	Version string
	// Digest of the archive, `sha256:<hex>`; optional. Where given it is verified and a cached archive needs no network.
	Digest string
	// PlainHTTP allows an unencrypted OCI registry. Helm repositories say it with their scheme.
	PlainHTTP bool
	// Credentials for the source; optional and never logged.
	Credentials Credentials
}

// Credentials are given in one of two forms. They are never part of an error.
type Credentials struct {
	// DockerConfigJSON is the content of a kubernetes.io/dockerconfigjson Secret.
	DockerConfigJSON []byte
	// Username and Password for HTTP basic authentication.
	Username, Password string
}

// Archive is a chart archive as bytes.
type Archive struct {
	// Digest of the bytes, `sha256:<hex>`.
	Digest string
	// Data is a gzipped tar; it must not be changed.
	Data []byte
}

// Options of a Fetcher.
type Options struct {
	// CacheDir is created when missing. Empty means no cache on disk.
	CacheDir string
	// MaxBytes bounds an archive; 0 means DefaultMaxBytes.
	MaxBytes int64
	// Timeout bounds one fetch; 0 means 1 minute.
	Timeout time.Duration
	// Patience bounds how long Get waits for a fetch, which goes on without it: a registry that does not answer must not
	// hold those who wait for another. 0 means as long as it takes.
	Patience time.Duration
	// MaxFetches bounds the fetches at the same time; 0 means 8. Others are ErrFetching.
	MaxFetches int
	// AllowLocal permits paths on disk. A controller leaves it out, so that no object can name a file of the operator's.
	AllowLocal bool
}
