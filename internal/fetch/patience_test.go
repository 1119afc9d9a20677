package fetch_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/fetch"
)

// silentUntil serves 404s, once it is told to.
func silentUntil(t *testing.T, speak <-chan struct{}) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-speak
		http.NotFound(w, nil)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestGet_leavesASourceThatDoesNotAnswerAndTellsTheResultLater(t *testing.T) {
	speak := make(chan struct{})
	f, err := fetch.New(fetch.Options{CacheDir: t.TempDir(), Patience: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	reference := fetch.Reference{URL: silentUntil(t, speak), Chart: "web", Version: "1.0.0"}
	if _, err := f.Get(t.Context(), reference); !errors.Is(err, fetch.ErrFetching) {
		t.Fatalf("got %v", err)
	}
	close(speak)
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, err := f.Get(t.Context(), reference)
		if errors.Is(err, fetch.ErrNotFound) {
			break
		}
		if !errors.Is(err, fetch.ErrFetching) || time.Now().After(deadline) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestGet_boundsFetchesAtTheSameTime(t *testing.T) {
	speak := make(chan struct{})
	defer close(speak)
	f, err := fetch.New(fetch.Options{CacheDir: t.TempDir(), Patience: 10 * time.Millisecond, MaxFetches: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(t.Context(), fetch.Reference{URL: silentUntil(t, speak), Chart: "web", Version: "1.0.0"}); !errors.Is(err, fetch.ErrFetching) {
		t.Fatalf("got %v", err)
	}
	free := make(chan struct{})
	close(free)
	other := fetch.Reference{URL: silentUntil(t, free), Chart: "web", Version: "1.0.0"}
	if _, err := f.Get(t.Context(), other); !errors.Is(err, fetch.ErrFetching) {
		t.Errorf("a second fetch began: %v", err)
	}
}
