package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/endpoint"
)

const (
	dialTimeout = 10 * time.Second
	// retryTimeout bounds how long the client tries a request again by itself, e.g. while a controller is elected.
	retryTimeout = 20 * time.Second
	// plaintext and saslPlaintext are the protocols without TLS.
	plaintext, saslPlaintext = "PLAINTEXT", "SASL_PLAINTEXT"
)

// Server provisions, proves, retires and revokes topics. Its zero value is ready for use.
type Server struct {
	// dial replaces the network in tests.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// session is a connection to the cluster as one login.
type session struct {
	*kadm.Client

	username string
	// asAdmin tells the provider's credential from the consumer's, for what a refusal is called.
	asAdmin bool
}

// admin connects with the provider's credential.
func (s Server) admin(ctx context.Context, task provision.Task) (*session, error) {
	host, port, err := endpoint.Provider(task)
	if err != nil {
		return nil, err
	}
	secrets := provision.Secrets{"ca.crt": task.Admin[endpoint.CAKey], "username": task.Admin["username"], "password": task.Admin["password"]}
	if hasLogins(task) && (secrets["username"] == "" || secrets["password"] == "") {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the provider's admin Secret needs the keys username and password")
	}
	opened, err := s.open(task.Value("security-protocol"), []string{endpoint.Address(host, port)}, secrets)
	if err != nil {
		return nil, err
	}
	opened.asAdmin = true
	return opened, opened.check(ctx)
}

// consumer connects with the consumer's credential, as the consumer would.
func (s Server) consumer(ctx context.Context, task provision.Task) (*session, error) {
	brokers := strings.Split(task.Value("bootstrap-servers"), ",")
	if brokers[0] == "" {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the binding has no output bootstrap-servers; correct the catalogue entry of the provider")
	}
	secrets := provision.Secrets{
		"ca.crt": task.Credentials[endpoint.CAKey], "username": task.Value("username"), "password": task.Credentials["password"],
	}
	opened, err := s.open(task.Value("security-protocol"), brokers, secrets)
	if err != nil {
		return nil, err
	}
	return opened, opened.check(ctx)
}

func (s Server) open(protocol string, brokers []string, login provision.Secrets) (*session, error) {
	options := []kgo.Opt{kgo.SeedBrokers(brokers...), kgo.RetryTimeout(retryTimeout), kgo.DialTimeout(dialTimeout), kgo.RequestRetries(3)}
	dial := s.dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	switch protocol {
	case plaintext, saslPlaintext:
		options = append(options, kgo.Dialer(dial))
	case "SSL", "SASL_SSL":
		options = append(options, kgo.Dialer(encrypted(dial, login)))
	default:
		return nil, provision.Failed(provision.ReasonInvalidRequest,
			"the output security-protocol is %q; correct the catalogue entry to PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", protocol)
	}
	if strings.HasPrefix(protocol, "SASL_") {
		options = append(options, kgo.SASL(scram.Auth{User: login["username"], Pass: login["password"]}.AsSha512Mechanism()))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the cluster's address cannot be used: %w", err)
	}
	return &session{Client: kadm.NewClient(client), username: login["username"]}, nil
}

// encrypted holds each broker to a certificate of its own name.
func encrypted(dial func(context.Context, string, string) (net.Conn, error), login provision.Secrets) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		config, err := endpoint.Trusting(login, host)
		if err != nil {
			return nil, err
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		secured := tls.Client(conn, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return secured, nil
	}
}

// check makes sure that the login gets in.
func (s *session) check(ctx context.Context) error {
	if _, err := s.ApiVersions(ctx); err != nil {
		s.Close()
		return s.classify(ctx, err)
	}
	return nil
}

// classify turns an error of the client or an answer of the cluster into a problem.
func (s *session) classify(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.UnsupportedSaslMechanism):
		reason := provision.ReasonCredentialsRejected
		if s.asAdmin {
			reason = provision.ReasonAdminCredentialRejected
		}
		return provision.Failed(reason, "Kafka refuses the login %s: %s", s.username, kerr.TypedErrorForCode(codeOf(err)).Message)
	case errors.Is(err, kerr.ClusterAuthorizationFailed), errors.Is(err, kerr.TopicAuthorizationFailed):
		return provision.Failed(ReasonNotPermitted, "%s may not do it: %w; make it a super user, or let it create and alter topics, rules and configurations", s.username, err)
	}
	if problem := endpoint.Unreachable(ctx, err); problem != nil {
		return problem
	}
	if said, ok := errors.AsType[*kerr.Error](err); ok && !said.Retriable {
		return provision.Failed(provision.ReasonProviderError, "Kafka says: %w", err)
	}
	return provision.Retry(provision.ReasonProviderUnavailable, "Kafka is not ready: %w", err)
}

func codeOf(err error) int16 {
	if said, ok := errors.AsType[*kerr.Error](err); ok {
		return said.Code
	}
	return kerr.UnknownServerError.Code
}

// settle waits until what was asked for is so: Kafka answers before all brokers know.
func settle(ctx context.Context, what string, holds func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	ticker := time.NewTicker(settleInterval)
	defer ticker.Stop()
	for {
		done, err := holds(ctx)
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-ticker.C:
		}
	}
}

const (
	settleTimeout  = 30 * time.Second
	settleInterval = 25 * time.Millisecond
)
