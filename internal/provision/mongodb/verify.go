package mongodb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/endpoint"
)

const (
	// probe names the collection that each proof fills and drops. One that a killed proof left is dropped by the next: a
	// binding has one proof at a time, and the database belongs to one binding. It is also the name of the other database
	// that the login must not read.
	probe       = "dpi_operator_probe"
	dropTimeout = 10 * time.Second
)

// Codes of the server's errors.
const (
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	// codeHosted is what the hosted MongoDB answers to a wrong password and to a missing right alike.
	codeHosted = 8000
)

// passing are the codes of a server that changes its part in a replica set, starts or stops.
var passing = []int32{91, 189, 10107, 11600, 11602, 13435, 13436}

// Verify proves the edge with the consumer's login: it puts, reads and deletes a document, sees and reads no other database, and
// is refused with another password.
func Verify(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	l, err := loginOf(task)
	if err != nil {
		return report, err
	}
	p, err := newProver(ctx, l, &report)
	if err != nil {
		return report, err
	}
	defer p.leave(ctx)
	for _, step := range []func(context.Context) error{p.proveLogin, p.proveDocument, p.proveRights, p.proveStranger} {
		if err := step(ctx); err != nil {
			return report, err
		}
	}
	report.Message = "logged in to " + l.database + " as " + l.username
	return report, nil
}

// prover collects checks. Its methods return an error only when the proof itself could not be made.
type prover struct {
	login  login
	client *mongo.Client
	seen   *reachability
	report *provision.Report
}

func newProver(ctx context.Context, l login, report *provision.Report) (prover, error) {
	p := prover{login: l, seen: &reachability{}, report: report}
	chosen, err := l.options(ctx, p.seen)
	if err != nil {
		return p, err
	}
	if p.client, err = mongo.Connect(chosen); err != nil {
		return p, provision.Failed(provision.ReasonInvalidRequest, "the login cannot be used: %w", err)
	}
	return p, nil
}

func (p prover) database() *mongo.Database { return p.client.Database(p.login.database) }

func (p prover) proveLogin(ctx context.Context) error {
	err := p.database().RunCommand(ctx, bson.D{{Key: "ping", Value: 1}}).Err()
	switch {
	case isRejected(err):
		return provision.Failed(provision.ReasonCredentialsRejected, "the server refuses the login %s of %s", p.login.username, p.login.authSource)
	case err != nil:
		return p.found(ctx, "login "+p.login.username, err)
	}
	p.report.Check("login "+p.login.username, nil)
	return nil
}

func (p prover) proveDocument(ctx context.Context) error {
	collection := p.database().Collection(probe)
	id, value := rand.Text(), rand.Text()
	named := bson.D{{Key: "_id", Value: id}}
	for _, step := range []struct {
		name string
		take func() error
	}{
		{"put a document", func() error {
			_, err := collection.InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "value", Value: value}})
			return err
		}},
		{"read it", func() error {
			var read struct{ Value string }
			err := collection.FindOne(ctx, named).Decode(&read)
			if err == nil && read.Value != value {
				return errOther
			}
			return err
		}},
		{"delete it", func() error {
			deleted, err := collection.DeleteOne(ctx, named)
			if err == nil && deleted.DeletedCount != 1 {
				return errKept
			}
			return err
		}},
	} {
		if err := step.take(); err != nil {
			return p.found(ctx, step.name, err)
		}
		p.report.Check(step.name, nil)
	}
	return nil
}

var (
	errOther = errors.New("it reads something else than was put")
	errKept  = errors.New("the server deleted nothing")
)

// proveRights makes sure that the login reaches nothing but its database.
func (p prover) proveRights(ctx context.Context) error {
	name := p.login.username + " reaches its database only"
	visible, err := p.client.ListDatabaseNames(ctx, bson.D{}, options.ListDatabases().SetAuthorizedDatabases(true).SetNameOnly(true))
	if err != nil && !isUnauthorized(err) {
		return p.found(ctx, name, err)
	}
	if others := slices.DeleteFunc(visible, func(name string) bool { return name == p.login.database }); len(others) > 0 {
		p.report.Check(name, fmt.Errorf("it reaches %s", strings.Join(others, ", ")))
		return nil
	}
	// A right on every database shows where there is none of that name.
	err = p.client.Database(probe).Collection(probe).FindOne(ctx, bson.D{}).Err()
	switch {
	case isUnauthorized(err):
		p.report.Check(name, nil)
	case err == nil, errors.Is(err, mongo.ErrNoDocuments):
		p.report.Check(name, errors.New("it reads any database"))
	default:
		return p.found(ctx, name, err)
	}
	return nil
}

// proveStranger makes sure that the password matters.
func (p prover) proveStranger(ctx context.Context) error {
	const name = "closed to other passwords"
	stranger := p.login
	stranger.password = rand.Text()
	other, err := newProver(ctx, stranger, p.report)
	if err != nil {
		return err
	}
	defer other.disconnect(ctx)
	err = other.database().RunCommand(ctx, bson.D{{Key: "ping", Value: 1}}).Err()
	switch {
	case err == nil:
		p.report.Check(name, fmt.Errorf("the server takes any password for %s", stranger.username))
	case isRejected(err):
		p.report.Check(name, nil)
	default:
		return other.found(ctx, name, err)
	}
	return nil
}

// leave takes the collection away, even where the time given to the proof is over. If that fails the next proof does it; a login
// that may not drop leaves it empty.
func (p prover) leave(ctx context.Context) {
	if len(p.report.Checks) > 0 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
		defer cancel()
		_ = p.database().Collection(probe).Drop(ctx)
	}
	p.disconnect(ctx)
}

func (p prover) disconnect(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	_ = p.client.Disconnect(ctx)
}

// found records what the server has answered as a finding, and passes on what ends the proof. The driver's words hold no
// secret.
func (p prover) found(ctx context.Context, name string, err error) error {
	_, answered := errors.AsType[mongo.ServerError](err)
	switch {
	case hasCode(err, passing...):
		return provision.Retry(provision.ReasonProviderUnavailable, "the server is not ready: %w", err)
	case answered, errors.Is(err, errOther), errors.Is(err, errKept), errors.Is(err, mongo.ErrNoDocuments):
		p.report.Check(name, err)
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if problem := endpoint.Unreachable(ctx, p.seen.cause()); problem != nil {
		return problem
	}
	return provision.Retry(provision.ReasonProviderUnavailable, "no server answers as one that takes writes: %w", err)
}

// isRejected reads the answer to a command that needs a login and no right.
func isRejected(err error) bool { return hasCode(err, codeAuthenticationFailed, codeHosted) }

// isUnauthorized reads the answer to a command after the login.
func isUnauthorized(err error) bool { return hasCode(err, codeUnauthorized, codeHosted) }

func hasCode(err error, codes ...int32) bool {
	answer, ok := errors.AsType[mongo.ServerError](err)
	return ok && slices.ContainsFunc(codes, func(code int32) bool { return answer.HasErrorCode(int(code)) })
}
