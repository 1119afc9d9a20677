package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	protocol "github.com/emersion/go-smtp"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/endpoint"
)

// Values of the output security.
const (
	startTLS = "starttls"
	fromTLS  = "tls"
	noTLS    = "none"
)

const (
	dialTimeout = 10 * time.Second
	// answerTimeout is for one command: servers that hold senders back do so for some seconds.
	answerTimeout = 30 * time.Second
	// permanent is the first code of those that the same command will meet again.
	permanent       = 500
	codeCredentials = 535
)

// enhancedCredentials is what RFC 4954 gives with a wrong password.
var enhancedCredentials = protocol.EnhancedCode{5, 7, 8}

// relay is a server and how to encrypt with it.
type relay struct {
	address  string
	security string
	trust    *tls.Config
}

// refusal is the server's lasting no.
type refusal struct {
	says     string
	code     int
	enhanced protocol.EnhancedCode
}

func (r *refusal) Error() string { return r.says }

func relayOf(task provision.Task) (relay, error) {
	host, port, err := endpoint.Consumer(task)
	if err != nil {
		return relay{}, err
	}
	r := relay{address: endpoint.Address(host, port), security: task.Value("security")}
	switch r.security {
	case startTLS, fromTLS:
		r.trust, err = endpoint.Trusting(task.Credentials, host)
	case noTLS:
	default:
		err = provision.Failed(provision.ReasonInvalidRequest, "the output security is %q, want starttls, tls or none; correct the catalogue entry of the provider", r.security)
	}
	return r, err
}

// session is one connection. It breaks when its context ends.
type session struct {
	client *protocol.Client
	stop   func() bool
}

// open connects, encrypts as the relay is said to, and says hello.
func (r relay) open(ctx context.Context) (*session, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", r.address)
	if err != nil {
		return nil, explain(ctx, err)
	}
	s := &session{stop: context.AfterFunc(ctx, func() { _ = conn.Close() })}
	if s.client, err = r.greet(ctx, conn); err != nil {
		s.stop()
		_ = conn.Close()
		return nil, explain(ctx, err)
	}
	return s, nil
}

func (r relay) greet(ctx context.Context, conn net.Conn) (*protocol.Client, error) {
	var client *protocol.Client
	var err error
	switch r.security {
	case startTLS:
		if client, err = protocol.NewClientStartTLS(conn, r.trust); err != nil {
			return nil, err
		}
	case fromTLS:
		secure := tls.Client(conn, r.trust)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		client = protocol.NewClient(secure)
	default:
		client = protocol.NewClient(conn)
	}
	client.CommandTimeout = answerTimeout
	return client, client.Hello(ownName(conn))
}

// ownName is how RFC 5321 has a client call itself that has no name: by its address.
func ownName(conn net.Conn) string {
	own, ok := conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return "localhost"
	}
	if own.IP.To4() == nil {
		return "[IPv6:" + own.IP.String() + "]"
	}
	return "[" + own.IP.String() + "]"
}

// close takes leave; a server that is gone by then is no worse for it.
func (s *session) close() {
	_ = s.client.Quit()
	s.stop()
	_ = s.client.Close()
}

// explain tells a lasting no, which is a refusal, from what may pass.
func explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if answer, ok := errors.AsType[*protocol.SMTPError](err); ok {
		if answer.Code < permanent {
			return provision.Retry(provision.ReasonProviderUnavailable, "the server is not ready: %w", answer)
		}
		return &refusal{says: fmt.Sprintf("%d %s", answer.Code, answer.Message), code: answer.Code, enhanced: answer.EnhancedCode}
	}
	if problem := endpoint.Unreachable(ctx, err); problem != nil {
		return problem
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return provision.Retry(provision.ReasonProviderUnavailable, "the server closed the connection")
	}
	return &refusal{says: strings.TrimPrefix(err.Error(), "smtp: ")}
}
