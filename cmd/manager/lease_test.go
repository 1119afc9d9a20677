package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

var errRefused = errors.New("the cluster refused")

// paperLock is a lease without a cluster.
type paperLock struct {
	resourcelock.Interface
	holder  string
	refuses bool
}

func (p *paperLock) Identity() string { return "me" }

func (p *paperLock) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return &resourcelock.LeaderElectionRecord{HolderIdentity: p.holder}, nil, nil
}

func (p *paperLock) Update(_ context.Context, record resourcelock.LeaderElectionRecord) error {
	if p.refuses {
		return errRefused
	}
	p.holder = record.HolderIdentity
	return nil
}

// election is a lease with a clock to turn.
type election struct {
	t    *testing.T
	lock *paperLock
	now  time.Time
	*lease
}

func newElection(t *testing.T) *election {
	t.Helper()
	e := &election{t: t, lock: &paperLock{}, now: time.Now()}
	e.lease = &lease{Interface: e.lock, validity: 10 * time.Second, now: func() time.Time { return e.now }}
	return e
}

func (e *election) renew() error {
	return e.Update(e.t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "me"})
}

func (e *election) wantHeld(want bool, when string) {
	e.t.Helper()
	if err := e.held(); (err == nil) != want || err != nil && !errors.Is(err, errNotLeading) {
		e.t.Errorf("%s: got %v, want held %t", when, err, want)
	}
}

func TestTheLeaseIsHeldAsLongAsItIsRenewed(t *testing.T) {
	e := newElection(t)
	e.wantHeld(false, "before the election")
	if err := e.renew(); err != nil {
		t.Fatal(err)
	}
	e.wantHeld(true, "elected")
	e.now = e.now.Add(9 * time.Second)
	e.wantHeld(true, "just before it must be renewed")
	e.lock.refuses = true
	if err := e.renew(); !errors.Is(err, errRefused) {
		t.Errorf("got %v", err)
	}
	e.now = e.now.Add(time.Second)
	e.wantHeld(false, "not renewed in time")
	e.lock.refuses = false
	if err := e.renew(); err != nil {
		t.Fatal(err)
	}
	e.wantHeld(true, "renewed late, with nobody else in between")
}

func TestTheLeaseIsLostWhenAnotherHoldsIt(t *testing.T) {
	e := newElection(t)
	if err := e.renew(); err != nil {
		t.Fatal(err)
	}
	e.lock.holder = "other"
	if _, _, err := e.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.wantHeld(false, "another holds it")
}

func TestTheLeaseIsNotHeldOnceItIsBeingReleased(t *testing.T) {
	e := newElection(t)
	if err := e.renew(); err != nil {
		t.Fatal(err)
	}
	e.lock.refuses = true
	if err := e.Update(t.Context(), resourcelock.LeaderElectionRecord{}); !errors.Is(err, errRefused) {
		t.Errorf("got %v", err)
	}
	e.wantHeld(false, "the release may have reached the cluster")
}

// TestTheLeaseRunsOutWhileTheMachineSleeps: the monotonic clock stands still then.
func TestTheLeaseRunsOutWhileTheMachineSleeps(t *testing.T) {
	e := newElection(t)
	e.now = e.now.Round(0)
	if err := e.renew(); err != nil {
		t.Fatal(err)
	}
	e.now = e.now.Add(time.Hour)
	e.wantHeld(false, "after an hour of sleep")
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

func TestTheFenceStopsWritesOnly(t *testing.T) {
	e := newElection(t)
	var sent []string
	fence := e.fence(tripper(func(request *http.Request) (*http.Response, error) {
		sent = append(sent, request.Method)
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	}))
	send := func(method string) error {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://localhost", io.NopCloser(strings.NewReader("{}")))
		if err != nil {
			t.Fatal(err)
		}
		response, err := fence.RoundTrip(request)
		if err == nil {
			err = response.Body.Close()
		}
		return err
	}
	if err := send(http.MethodGet); err != nil {
		t.Error(err)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if err := send(method); !errors.Is(err, errNotLeading) {
			t.Errorf("%s: got %v", method, err)
		}
	}
	if err := e.renew(); err != nil {
		t.Fatal(err)
	}
	if err := send(http.MethodPatch); err != nil {
		t.Error(err)
	}
	if got := strings.Join(sent, " "); got != "GET PATCH" {
		t.Errorf("sent %s", got)
	}
}
