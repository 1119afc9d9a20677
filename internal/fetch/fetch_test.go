package fetch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/fetch"
)

const chartType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// source is an OCI registry and a Helm repository at once, with one chart in them.
type source struct {
	*httptest.Server
	archive  []byte
	password string
	requests atomic.Int64
	// change alters what is served.
	layerType string
	corrupt   bool
	wait      chan struct{}
}

func newSource(t *testing.T) *source {
	t.Helper()
	s := &source{archive: []byte("the bytes of a chart"), layerType: chartType}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	if s.wait != nil {
		select {
		case <-s.wait:
		case <-r.Context().Done():
			return
		}
	}
	if _, password, _ := r.BasicAuth(); s.password != "" && password != s.password {
		w.Header().Set("WWW-Authenticate", `Basic realm="charts"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body := s.archive
	if s.corrupt {
		body = bytes.ToUpper(s.archive)
	}
	switch r.URL.Path {
	case "/v2/charts/web/manifests/1.0.0_a":
		s.manifest(w)
	case "/v2/charts/web/blobs/" + digest(s.archive), "/repo/files/web-1.0.0.tgz":
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	case "/repo/index.yaml":
		fmt.Fprintf(w, "entries:\n  web:\n  - {version: 2.0.0, urls: [x]}\n  - {version: 1.0.0, digest: %s, urls: [files/web-1.0.0.tgz]}\n",
			strings.TrimPrefix(digest(s.archive), "sha256:"))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *source) manifest(w http.ResponseWriter) {
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
		"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":%q,"size":2},
		"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`, digest([]byte("{}")), s.layerType, digest(s.archive), len(s.archive))
	w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	w.Header().Set("Docker-Content-Digest", digest(manifest))
	_, _ = w.Write(manifest)
}

func (s *source) oci() fetch.Reference {
	return fetch.Reference{URL: "oci://" + strings.TrimPrefix(s.URL, "http://") + "/charts/web", Version: "1.0.0+a", PlainHTTP: true}
}

func (s *source) repository() fetch.Reference {
	return fetch.Reference{URL: s.URL + "/repo", Chart: "web", Version: "1.0.0"}
}

func fetcher(t *testing.T, change func(*fetch.Options)) *fetch.Fetcher {
	t.Helper()
	options := fetch.Options{CacheDir: t.TempDir(), Timeout: 10 * time.Second}
	if change != nil {
		change(&options)
	}
	f, err := fetch.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGet(t *testing.T) {
	for name, reference := range map[string]func(*source) fetch.Reference{
		"from a registry":        (*source).oci,
		"from a repository":      (*source).repository,
		"from an address":        func(s *source) fetch.Reference { return fetch.Reference{URL: s.URL + "/repo/files/web-1.0.0.tgz"} },
		"with the right digest":  func(s *source) fetch.Reference { r := s.oci(); r.Digest = digest(s.archive); return r },
		"repository, slash last": func(s *source) fetch.Reference { r := s.repository(); r.URL += "/"; return r },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(t)
			got, err := fetcher(t, nil).Get(t.Context(), reference(s))
			if err != nil || !bytes.Equal(got.Data, s.archive) || got.Digest != digest(s.archive) {
				t.Fatalf("got %q, %v", got.Data, err)
			}
		})
	}
}

func TestGet_errors(t *testing.T) {
	for name, tc := range map[string]struct {
		reference func(*source) fetch.Reference
		change    func(*source)
		options   func(*fetch.Options)
		want      error
		says      string
	}{
		"no such version in the registry":   {reference: func(s *source) fetch.Reference { r := s.oci(); r.Version = "9"; return r }, want: fetch.ErrNotFound, says: "charts/web 9"},
		"no such version in the repository": {reference: func(s *source) fetch.Reference { r := s.repository(); r.Version = "9"; return r }, want: fetch.ErrNotFound, says: "no version 9 of web"},
		"no such chart in the repository":   {reference: func(s *source) fetch.Reference { r := s.repository(); r.Chart = "x"; return r }, want: fetch.ErrNotFound, says: "no chart x"},
		"not a repository":                  {reference: func(s *source) fetch.Reference { r := s.repository(); r.URL = s.URL; return r }, want: fetch.ErrNotFound},
		"not a chart":                       {reference: (*source).oci, change: func(s *source) { s.layerType = "text/plain" }, want: fetch.ErrNotFound, says: "no chart layer"},
		"registry sends other bytes":        {reference: (*source).oci, change: func(s *source) { s.corrupt = true }, want: fetch.ErrDigestMismatch},
		"repository sends other bytes":      {reference: (*source).repository, change: func(s *source) { s.corrupt = true }, want: fetch.ErrDigestMismatch},
		"another digest is pinned":          {reference: func(s *source) fetch.Reference { r := s.oci(); r.Digest = digest(nil); return r }, want: fetch.ErrDigestMismatch, says: "pinned is"},
		"a digest that is none":             {reference: func(s *source) fetch.Reference { r := s.oci(); r.Digest = "sha256:xyz"; return r }, want: fetch.ErrInvalidReference},
		"no version":                        {reference: func(s *source) fetch.Reference { r := s.oci(); r.Version = ""; return r }, want: fetch.ErrInvalidReference},
		"an unknown scheme":                 {reference: func(*source) fetch.Reference { return fetch.Reference{URL: "ftp://x/y"} }, want: fetch.ErrInvalidReference, says: "use oci://"},
		"a path where none is allowed":      {reference: func(*source) fetch.Reference { return fetch.Reference{URL: "/etc"} }, want: fetch.ErrInvalidReference},
		"too large in the registry":         {reference: (*source).oci, options: func(o *fetch.Options) { o.MaxBytes = 5 }, want: fetch.ErrTooLarge},
		"too large in the repository":       {reference: (*source).repository, options: func(o *fetch.Options) { o.MaxBytes = 5 }, want: fetch.ErrTooLarge},
		"nobody listens":                    {reference: (*source).oci, change: func(s *source) { s.Close() }, want: fetch.ErrUnreachable},
		"no answer in time":                 {reference: (*source).repository, change: func(s *source) { s.wait = make(chan struct{}) }, options: func(o *fetch.Options) { o.Timeout = 50 * time.Millisecond }, want: fetch.ErrUnreachable},
		"registry wants credentials":        {reference: (*source).oci, change: func(s *source) { s.password = "hunter2" }, want: fetch.ErrUnauthorized},
		"repository wants credentials":      {reference: (*source).repository, change: func(s *source) { s.password = "hunter2" }, want: fetch.ErrUnauthorized},
		"credentials in the address":        {reference: func(*source) fetch.Reference { return fetch.Reference{URL: "https://u:hunter2@x/y"} }, want: fetch.ErrInvalidReference},
		"a broken docker configuration": {reference: func(s *source) fetch.Reference {
			r := s.oci()
			r.Credentials.DockerConfigJSON = []byte(`{"auths": hunter2`)
			return r
		}, want: fetch.ErrInvalidReference},
		"wrong credentials": {reference: func(s *source) fetch.Reference {
			r := s.oci()
			r.Credentials = fetch.Credentials{Username: "u", Password: "hunter3"}
			return r
		}, change: func(s *source) { s.password = "hunter2" }, want: fetch.ErrUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(t)
			if tc.change != nil {
				tc.change(s)
			}
			_, err := fetcher(t, tc.options).Get(t.Context(), tc.reference(s))
			if !errors.Is(err, tc.want) || !strings.Contains(fmt.Sprint(err), tc.says) {
				t.Errorf("got %v, want %v saying %q", err, tc.want, tc.says)
			}
			if strings.Contains(fmt.Sprint(err), "hunter") {
				t.Errorf("the error shows a password: %v", err)
			}
		})
	}
}

func TestGet_usesCredentials(t *testing.T) {
	for name, credentials := range map[string]func(*source) fetch.Credentials{
		"basic": func(*source) fetch.Credentials { return fetch.Credentials{Username: "u", Password: "hunter2"} },
		"docker configuration": func(s *source) fetch.Credentials {
			host := strings.TrimPrefix(s.URL, "http://")
			return fetch.Credentials{DockerConfigJSON: fmt.Appendf(nil, `{"auths":{%q:{"username":"u","password":"hunter2"}}}`, host)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(t)
			s.password = "hunter2"
			for _, reference := range []fetch.Reference{s.oci(), s.repository()} {
				reference.Credentials = credentials(s)
				if _, err := fetcher(t, nil).Get(t.Context(), reference); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestGet_credentialsStayWithTheirHost(t *testing.T) {
	var seen string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Get("Authorization") }))
	t.Cleanup(elsewhere.Close)
	index := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "entries: {web: [{version: 1.0.0, urls: ['%s/web.tgz']}]}", elsewhere.URL)
	}))
	t.Cleanup(index.Close)
	reference := fetch.Reference{URL: index.URL, Chart: "web", Version: "1.0.0", Credentials: fetch.Credentials{Username: "u", Password: "p"}}
	if _, err := fetcher(t, nil).Get(t.Context(), reference); err != nil || seen != "" {
		t.Errorf("another host saw %q (%v)", seen, err)
	}
}

func TestGet_cache(t *testing.T) {
	s := newSource(t)
	dir := t.TempDir()
	f := fetcher(t, func(o *fetch.Options) { o.CacheDir = dir })
	reference := s.oci()
	first, err := f.Get(t.Context(), reference)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if again, err := f.Get(t.Context(), reference); err != nil || !bytes.Equal(again.Data, first.Data) {
		t.Errorf("a version just seen should need no network: %v", err)
	}

	fresh := fetcher(t, func(o *fetch.Options) { o.CacheDir = dir })
	reference.Digest = first.Digest
	if _, err := fresh.Get(t.Context(), reference); err != nil {
		t.Errorf("a pinned archive should need no network: %v", err)
	}

	files, err := filepath.Glob(filepath.Join(dir, "*", "*.tgz"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the cache has %v", files)
	}
	if err := os.WriteFile(files[0], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Get(t.Context(), reference); !errors.Is(err, fetch.ErrUnreachable) {
		t.Errorf("a damaged archive was served: %v", err)
	}
}

func TestGet_equalRequestsBecomeOne(t *testing.T) {
	s := newSource(t)
	s.wait = make(chan struct{})
	f := fetcher(t, nil)
	reference := fetch.Reference{URL: s.URL + "/repo/files/web-1.0.0.tgz"}
	impatient, leave := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := f.Get(impatient, reference); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	for range 4 {
		group.Go(func() {
			if _, err := f.Get(t.Context(), reference); err != nil {
				t.Error(err)
			}
		})
	}
	leave()
	close(s.wait)
	group.Wait()
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests were made", n)
	}
}

func TestGet_directory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "web")
	for name, content := range map[string]string{"Chart.yaml": "name: web", "templates/a.yaml": "a: b", ".git/config": "secret"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := fetcher(t, func(o *fetch.Options) { o.AllowLocal = true })
	first, err := f.Get(t.Context(), fetch.Reference{URL: dir})
	if err != nil {
		t.Fatal(err)
	}
	second, err := f.Get(t.Context(), fetch.Reference{URL: dir})
	if err != nil || first.Digest != second.Digest {
		t.Errorf("the same files gave %s and %s (%v)", first.Digest, second.Digest, err)
	}
	packed := filepath.Join(t.TempDir(), "web.tgz")
	if err := os.WriteFile(packed, first.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	third, err := f.Get(t.Context(), fetch.Reference{URL: packed})
	if err != nil || third.Digest != first.Digest {
		t.Errorf("the archive on disk gave %s (%v)", third.Digest, err)
	}
	if _, err := f.Get(t.Context(), fetch.Reference{URL: t.TempDir()}); !errors.Is(err, fetch.ErrNotFound) {
		t.Errorf("a directory without a chart gave %v", err)
	}
}
