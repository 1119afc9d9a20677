package mongodb

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/endpoint"
)

const (
	dialTimeout = 5 * time.Second
	// selectionTimeout is how long the driver looks for a server that takes writes.
	selectionTimeout = 5 * time.Second
)

// login is a consumer's way into a database.
type login struct {
	address, replicaSet  string
	database, authSource string
	username, password   string
	secrets              provision.Secrets
}

func loginOf(task provision.Task) (login, error) {
	l := login{
		address: task.Value("uri"), replicaSet: task.Value("replica-set"), database: task.Value("database"), authSource: task.Value("auth-source"),
		username: task.Value("username"), password: task.Credentials["password"], secrets: task.Credentials,
	}
	if l.database == "" || l.username == "" || l.password == "" {
		return l, provision.Failed(provision.ReasonInvalidRequest, "the binding's Secret needs the keys database, username and password")
	}
	if !strings.HasPrefix(l.address, "mongodb://") && !strings.HasPrefix(l.address, "mongodb+srv://") {
		return l, provision.Failed(provision.ReasonInvalidRequest, "the output uri does not begin with mongodb:// or mongodb+srv://; correct the catalogue entry of the provider")
	}
	if parsed, err := url.Parse(l.address); err != nil || parsed.User != nil {
		// Its words would repeat the address, with the password that may be in it.
		return l, provision.Failed(provision.ReasonInvalidRequest, "the output uri is no address, or names a login; correct the catalogue entry of the provider")
	}
	return l, nil
}

// options are those of a driver that asks once: the operator tries again, and a proof that hides failures is none.
func (l login) options(ctx context.Context, seen *reachability) (*options.ClientOptions, error) {
	// The address of a replica set may be a name that is looked up here.
	chosen := options.Client().ApplyURI(l.address).SetTimeout(0)
	if err := chosen.Validate(); err != nil {
		if problem := endpoint.Unreachable(ctx, err); problem != nil {
			return nil, problem
		}
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the output uri cannot be used: %w; correct the catalogue entry of the provider", err)
	}
	named := ""
	if chosen.ReplicaSet != nil {
		named = *chosen.ReplicaSet
	}
	if named != l.replicaSet {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the output replica-set is %q, and uri names %q; correct the catalogue entry of the provider", l.replicaSet, named)
	}
	chosen.SetAuth(options.Credential{AuthSource: l.authSource, Username: l.username, Password: l.password})
	chosen.SetConnectTimeout(dialTimeout).SetServerSelectionTimeout(selectionTimeout)
	chosen.SetServerMonitor(&event.ServerMonitor{ServerHeartbeatFailed: seen.failed})
	chosen.SetRetryReads(false).SetRetryWrites(false).SetMaxPoolSize(1)
	if l.secrets[endpoint.CAKey] != "" {
		secure, err := endpoint.Trusting(l.secrets, "")
		if err != nil {
			return nil, err
		}
		chosen.SetTLSConfig(secure)
	}
	return chosen, nil
}

// reachability remembers why the driver does not reach a server: when it gives up, it says only that it waited.
type reachability struct {
	mu   sync.Mutex
	last error
}

func (r *reachability) failed(e *event.ServerHeartbeatFailedEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = e.Failure
}

func (r *reachability) cause() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}
