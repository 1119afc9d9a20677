package postgresql

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// impostor is a server in the place of the provider's. It asks for the password its own way and keeps all it is sent.
type impostor struct {
	ask         pgproto3.BackendMessage
	certificate *tls.Certificate

	stop func()
	mu   sync.Mutex
	sent bytes.Buffer
}

// listen takes connections on a port of its own.
func (i *impostor) listen(t *testing.T) int32 {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() { i.serve(conn) })
		}
	})
	i.stop = func() {
		_ = listener.Close()
		served.Wait()
	}
	t.Cleanup(i.stop)
	return int32(listener.Addr().(*net.TCPAddr).Port)
}

// serve goes on after the first message only as far as to see whether a statement comes.
func (i *impostor) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(testTimeout))
	var stream io.ReadWriter = conn
	backend := pgproto3.NewBackend(stream, stream)
	for {
		message, err := backend.ReceiveStartupMessage()
		if err != nil {
			return
		}
		if _, plain := message.(*pgproto3.StartupMessage); plain {
			break
		}
		answer := byte('N')
		if i.certificate != nil {
			answer = 'S'
		}
		if _, err := conn.Write([]byte{answer}); err != nil {
			return
		}
		if i.certificate != nil {
			stream = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*i.certificate}, MinVersion: tls.VersionTLS12})
			backend = pgproto3.NewBackend(stream, stream)
		}
	}
	backend.Send(i.ask)
	if _, lets := i.ask.(*pgproto3.AuthenticationOk); lets {
		backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
	if backend.Flush() != nil {
		return
	}
	buffer := make([]byte, 4096)
	n, _ := stream.Read(buffer)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.sent.Write(buffer[:n])
}

// got is all it was sent after it asked; it takes no more connections then.
func (i *impostor) got() string {
	i.stop()
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.sent.String()
}

// selfSigned is a certificate for the loopback address that nobody vouches for, and its PEM form.
func selfSigned(t *testing.T) (*tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// A server that nobody vouches for is given no password, nor what it could try passwords against at leisure, and no statement.
func TestLogin_toAnImpostorGivesNothingAway(t *testing.T) {
	certificate, _ := selfSigned(t)
	tests := map[string]*impostor{
		"in the clear":                      {ask: &pgproto3.AuthenticationCleartextPassword{}},
		"as MD5":                            {ask: &pgproto3.AuthenticationMD5Password{Salt: [4]byte{1, 2, 3, 4}}},
		"not at all":                        {ask: &pgproto3.AuthenticationOk{}},
		"in the clear, through its own TLS": {ask: &pgproto3.AuthenticationCleartextPassword{}, certificate: certificate},
		"as MD5, through its own TLS":       {ask: &pgproto3.AuthenticationMD5Password{}, certificate: certificate},
		"not at all, through its own TLS":   {ask: &pgproto3.AuthenticationOk{}, certificate: certificate},
	}
	for about, impostor := range tests {
		t.Run(about, func(t *testing.T) {
			task := newTask("lured", parameters{})
			task.Request.Endpoint.Port = impostor.listen(t)
			for action, run := range map[provision.Action]func() (provision.Report, error){
				provision.ActionProvision: func() (provision.Report, error) { return Server{}.Provision(testContext(t), task) },
				provision.ActionVerify:    func() (provision.Report, error) { return Server{}.Verify(testContext(t), consumerOnly(task)) },
				provision.ActionRevoke:    func() (provision.Report, error) { return Server{}.Revoke(testContext(t), task) },
			} {
				report, err := run()
				result := mustEnd(t, report, err, provision.PhaseFailed, ReasonInsecureLogin)
				for _, needed := range []string{"SCRAM", caKey} {
					if !strings.Contains(result.Message, needed) {
						t.Errorf("%s: %q does not name the cure %s", action, result.Message, needed)
					}
				}
			}
			if got := impostor.got(); got != "" {
				t.Errorf("the impostor was sent %q", got)
			}
		})
	}
}

// Where the server's authority is known, TLS proves the server, and whatever it asks for is its own matter.
func TestLogin_toAServerThatIsVouchedForGivesThePassword(t *testing.T) {
	certificate, authority := selfSigned(t)
	for about, proven := range map[string]*impostor{
		"in the clear": {ask: &pgproto3.AuthenticationCleartextPassword{}, certificate: certificate},
		"as MD5":       {ask: &pgproto3.AuthenticationMD5Password{}, certificate: certificate},
	} {
		t.Run(about, func(t *testing.T) {
			task := newTask("vouched", parameters{})
			task.Request.Endpoint.Port = proven.listen(t)
			task.Admin[caKey] = authority
			report, err := Server{}.Provision(testContext(t), task)
			mustEnd(t, report, err, provision.PhaseRetry, provision.ReasonProviderUnavailable)
			if got := proven.got(); !strings.HasPrefix(got, "p") {
				t.Errorf("the server was sent %q, want an answer to what it asked", got)
			}
		})
	}
}
