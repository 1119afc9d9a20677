package redis

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	driver "github.com/redis/go-redis/v9"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/endpoint"
)

const (
	// probeKey begins the name of the key that the proof writes.
	probeKey = "dpi-operator-probe-"
	// probeLife bounds how long a key stays that a killed proof left.
	probeLife   = time.Minute
	dialTimeout = 10 * time.Second
)

// parameters of redis-v1.
type parameters struct {
	KeyPrefix string `json:"keyPrefix"`
	Database  int    `json:"database"`
}

// Verify proves the edge with the consumer's login: it writes, reads and deletes a key that would go by itself, and sees
// that the same login with another password is refused.
func Verify(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	var asked parameters
	if err := json.Unmarshal(task.Request.Parameters, &asked); err != nil {
		return report, provision.Failed(provision.ReasonInvalidRequest, "the parameters are not those of redis-v1: %w", err)
	}
	options, err := optionsOf(task, asked)
	if err != nil {
		return report, err
	}
	if err := proveKey(ctx, options, asked.KeyPrefix, &report); err != nil {
		return report, err
	}
	if err := proveStranger(ctx, options, &report); err != nil {
		return report, err
	}
	report.Message = "logged in to " + options.Addr + " as " + options.Username
	return report, nil
}

func optionsOf(task provision.Task, asked parameters) (driver.Options, error) {
	host, port, err := endpoint.Consumer(task)
	if err != nil {
		return driver.Options{}, err
	}
	secure, err := endpoint.TLS(task.Credentials, host)
	if err != nil {
		return driver.Options{}, err
	}
	options := driver.Options{
		Addr: endpoint.Address(host, port), Username: task.Value("username"), Password: task.Credentials["password"], DB: asked.Database,
		TLSConfig: secure, DialTimeout: dialTimeout, ContextTimeoutEnabled: true, DisableIdentity: true,
		// The operator tries again; a proof that hides failures is none.
		MaxRetries: -1, DialerRetries: 1, PoolSize: 1,
	}
	if options.Username == "" || options.Password == "" {
		return options, provision.Failed(provision.ReasonInvalidRequest, "the binding's Secret needs the keys username and password")
	}
	return options, nil
}

func proveKey(ctx context.Context, options driver.Options, prefix string, report *provision.Report) error {
	client := driver.NewClient(&options)
	defer func() { _ = client.Close() }()
	key, value := prefix+probeKey+strings.ToLower(rand.Text()), rand.Text()
	err := client.Set(ctx, key, value, probeLife).Err()
	if problem := classify(ctx, options.Username, err); problem != nil {
		return problem
	}
	report.Check("login "+options.Username, nil)
	report.Check("write a key", err)
	if err != nil {
		return nil
	}
	read, err := client.Get(ctx, key).Result()
	if problem := classify(ctx, options.Username, err); problem != nil {
		return problem
	}
	if err == nil && read != value {
		err = errors.New("it reads something else than was written")
	}
	report.Check("read it", err)
	deleted, err := client.Del(ctx, key).Result()
	if problem := classify(ctx, options.Username, err); problem != nil {
		return problem
	}
	if err == nil && deleted != 1 {
		err = fmt.Errorf("the server deleted %d keys", deleted)
	}
	report.Check("delete it", err)
	return nil
}

// proveStranger makes sure that the password matters: Redis has logins that take any.
func proveStranger(ctx context.Context, options driver.Options, report *provision.Report) error {
	options.Password = rand.Text()
	client := driver.NewClient(&options)
	defer func() { _ = client.Close() }()
	err := client.Ping(ctx).Err()
	if problem := endpoint.Unreachable(ctx, err); problem != nil {
		return problem
	}
	var open error
	if !isRejected(err) {
		open = fmt.Errorf("the server takes any password for %s", options.Username)
	}
	report.Check("closed to other passwords", open)
	return nil
}

// classify tells answers that end the proof from those that are findings.
func classify(ctx context.Context, username string, err error) error {
	switch {
	case err == nil:
		return nil
	case isRejected(err):
		return provision.Failed(provision.ReasonCredentialsRejected, "Redis refuses the login %s: %s", username, firstWord(err))
	case errors.Is(err, io.EOF):
		return provision.Retry(provision.ReasonProviderUnavailable, "Redis closed the connection")
	}
	for _, passing := range []string{"LOADING", "BUSY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN"} {
		if driver.HasErrorPrefix(err, passing) {
			return provision.Retry(provision.ReasonProviderUnavailable, "Redis is not ready: %w", err)
		}
	}
	return endpoint.Unreachable(ctx, err)
}

func isRejected(err error) bool {
	return err != nil && (driver.HasErrorPrefix(err, "WRONGPASS") || driver.HasErrorPrefix(err, "NOAUTH"))
}

func firstWord(err error) string {
	word, _, _ := strings.Cut(err.Error(), " ")
	return word
}
