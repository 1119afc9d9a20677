package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leaseName of the lease that replicas elect their leader by.
const leaseName = "dpi-operator"

// errNotLeading means that a write was not sent, because another replica may lead by now.
var errNotLeading = errors.New("not sent: the lease is not held by this replica, or was not renewed in time")

// lease is the lock of the election, and knows whether this replica may still write. Losing the lease ends the process,
// but one that was stopped and wakes up learns of it only when it asks; until then it must not write.
type lease struct {
	resourcelock.Interface
	// validity is how long a renewal counts: less than the duration of the lease, so that a request under way ends before
	// another replica may lead.
	validity time.Duration
	now      func() time.Time

	mu sync.Mutex
	// renewed is when the last successful renewal was sent; zero while another replica leads.
	renewed time.Time
}

// newLease prepares the lock under a name for this process. It makes no request yet.
func newLease(config *rest.Config, o *options, identity string) (*lease, error) {
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, o.namespace, leaseName,
		resourcelock.ResourceLockConfig{Identity: identity}, config, o.renewDeadline())
	if err != nil {
		return nil, fmt.Errorf("prepare the election of a leader: %w", err)
	}
	return &lease{Interface: lock, validity: o.renewDeadline(), now: time.Now}, nil
}

// Get reads the lease, and notices that another replica holds it.
func (l *lease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err == nil && record.HolderIdentity != l.Identity() {
		l.set(time.Time{})
	}
	return record, raw, err
}

// Create makes the lease and holds it.
func (l *lease) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.Interface.Create)
}

// Update takes, renews or releases the lease.
func (l *lease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.Interface.Update)
}

func (l *lease) write(ctx context.Context, record resourcelock.LeaderElectionRecord,
	write func(context.Context, resourcelock.LeaderElectionRecord) error,
) error {
	// Others count from when they see the renewal, which is later than this.
	sent := l.now()
	if record.HolderIdentity != l.Identity() {
		sent = time.Time{}
		l.set(sent)
	}
	if err := write(ctx, record); err != nil {
		return err
	}
	l.set(sent)
	return nil
}

func (l *lease) set(renewed time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = renewed
}

// held returns errNotLeading unless this replica renewed the lease lately. It makes no request.
func (l *lease) held() error {
	l.mu.Lock()
	renewed := l.renewed
	l.mu.Unlock()
	if renewed.IsZero() {
		return errNotLeading
	}
	now := l.now()
	// The monotonic clock stands still while the machine sleeps, the other one may be set: the longer time counts.
	age := max(now.Sub(renewed), now.Round(0).Sub(renewed.Round(0)))
	if age >= l.validity {
		return fmt.Errorf("%w: last renewed %s ago", errNotLeading, age.Round(time.Millisecond))
	}
	return nil
}

// fence lets writes through only while the lease is held. It sits as near to the connection as it can, and below every
// controller: none of them can forget it.
func (l *lease) fence(next http.RoundTripper) http.RoundTripper {
	return fenced{lease: l, next: next}
}

type fenced struct {
	lease *lease
	next  http.RoundTripper
}

// RoundTrip sends the request unless it is a write that must not be sent.
func (f fenced) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method == http.MethodGet || request.Method == http.MethodHead {
		return f.next.RoundTrip(request)
	}
	if err := f.lease.held(); err != nil {
		if request.Body != nil {
			err = errors.Join(err, request.Body.Close())
		}
		return nil, err
	}
	return f.next.RoundTrip(request)
}
