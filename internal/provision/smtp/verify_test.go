package smtp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/servertest"
	"github.com/dpi-operator/dpi-operator/internal/provision/smtp"
)

// relay has three doors: one for STARTTLS and the mechanism PLAIN, one that is encrypted from the start and wants LOGIN, and one for
// the inside of a network that asks nobody for anything.
var relay struct {
	dir, ca            string
	start, tls, inside int32
	server             *servertest.Server
}

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if relay.server, err = start(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, errors.Join(err, os.RemoveAll(relay.dir)))
		return 1
	}
	code := m.Run()
	if err := errors.Join(relay.server.Stop(), os.RemoveAll(relay.dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

const configuration = `
primary_hostname = relay.example.org
exim_user = %[1]d
exim_group = %[2]d
spool_directory = %[3]s/spool
log_file_path = %[3]s/log-%%s
pid_file_path = %[3]s/pid
keep_environment =
local_interfaces = 127.0.0.1
daemon_smtp_ports = %[4]d : %[5]d : %[6]d
tls_on_connect_ports = %[5]d
tls_advertise_hosts = ${if eq{$received_port}{%[6]d}{}{*}}
tls_certificate = %[3]s/cert.pem
tls_privatekey = %[3]s/key.pem
acl_smtp_mail = mail
acl_smtp_rcpt = rcpt
acl_smtp_data = data

begin acl
mail:
  deny senders = forged@example.org
  accept
rcpt:
  deny recipients = nobody@example.org
  defer authenticated = *
    condition = ${if eq{$authenticated_id}{busy}}
  deny authenticated = *
    condition = ${if eq{$authenticated_id}{muted}}
  accept authenticated = *
  accept condition = ${if eq{$received_port}{%[6]d}}
  deny message = relay not permitted
data:
  deny

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_advertise_condition = ${if eq{$received_port}{%[4]d}}
  server_prompts = :
  server_condition = ${if or{{eq{$auth2}{open}}{eq{$auth3}{${lookup{$auth2}lsearch{%[3]s/passwords}{$value}fail}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_advertise_condition = ${if eq{$received_port}{%[5]d}}
  server_prompts = Who are you : What is your password
  server_condition = ${if eq{$auth2}{${lookup{$auth1}lsearch{%[3]s/passwords}{$value}fail}}}
  server_set_id = $auth1
`

// start runs the distribution's Exim as one who is nobody: a copy, since the program itself becomes root. It has no routes and no
// transports, so that no mail could go anywhere.
func start(ctx context.Context) (*servertest.Server, error) {
	var err error
	if relay.dir, err = servertest.Dir("exim"); err != nil {
		return nil, err
	}
	for _, port := range []*int32{&relay.start, &relay.tls, &relay.inside} {
		if *port, err = servertest.Port(); err != nil {
			return nil, err
		}
	}
	if relay.ca, err = servertest.Certificate(relay.dir); err != nil {
		return nil, err
	}
	program, err := os.ReadFile("/usr/sbin/exim4")
	if err != nil {
		return nil, fmt.Errorf("find Exim: %w; run `make prerequisites`", err)
	}
	user, group := os.Geteuid(), os.Getegid()
	if user == 0 {
		user, group = 65534, 65534
	}
	text := fmt.Sprintf(configuration, user, group, relay.dir, relay.start, relay.tls, relay.inside)
	logins := "lab: of lab\nmuted: of muted\nbusy: of busy\n"
	err = errors.Join(
		os.WriteFile(filepath.Join(relay.dir, "exim"), program, 0o755),
		os.WriteFile(filepath.Join(relay.dir, "configuration"), []byte(text), 0o644),
		os.WriteFile(filepath.Join(relay.dir, "passwords"), []byte(logins), 0o644))
	if err != nil {
		return nil, err
	}
	return servertest.Start(ctx, servertest.Spec{
		Name: "Exim", Dir: relay.dir, Unprivileged: true, Ready: servertest.Accepts(relay.inside),
		Command: []string{filepath.Join(relay.dir, "exim"), "-C", filepath.Join(relay.dir, "configuration"), "-bdf"},
	})
}

// edge is the task of a consumer that sends as from@example.org.
type edge struct {
	security, username, password string
	port                         int32
	parameters                   string
}

func (e edge) task() provision.Task {
	task := provision.Task{
		Request: provision.Request{
			Action: provision.ActionVerify, Parameters: []byte(e.parameters),
			Outputs: map[string]string{"host": "127.0.0.1", "port": strconv.Itoa(int(e.port)), "security": e.security},
		},
		Credentials: provision.Secrets{"ca.crt": relay.ca},
	}
	if e.parameters == "" {
		task.Request.Parameters = []byte(`{"from": "lab@example.org", "authentication": "password"}`)
	}
	if e.username != "" {
		task.Request.Outputs["username"], task.Credentials["password"] = e.username, e.password
	}
	return task
}

// openly asks for mail without a login.
func openly(from, recipient string) string {
	return fmt.Sprintf(`{"from": %q, "authentication": "none", "probeRecipient": %q}`, from, recipient)
}

func TestVerify(t *testing.T) {
	untrusted := edge{security: "starttls", port: relay.start, username: "lab", password: "of lab"}.task()
	delete(untrusted.Credentials, "ca.crt")
	tests := map[string]struct {
		task           provision.Task
		phase          provision.Phase
		reason, saying string
	}{
		"STARTTLS":              {edge{security: "starttls", port: relay.start, username: "lab", password: "of lab"}.task(), provision.PhaseDone, provision.ReasonVerified, "takes mail from lab@example.org by the login lab"},
		"TLS and LOGIN":         {edge{security: "tls", port: relay.tls, username: "lab", password: "of lab"}.task(), provision.PhaseDone, provision.ReasonVerified, "by the login lab"},
		"no encryption":         {edge{security: "none", port: relay.start, username: "lab", password: "of lab"}.task(), provision.PhaseDone, provision.ReasonVerified, "by the login lab"},
		"no login":              {edge{security: "none", port: relay.inside, parameters: openly("lab@example.org", "")}.task(), provision.PhaseDone, provision.ReasonVerified, "takes mail from lab@example.org"},
		"a recipient elsewhere": {edge{security: "none", port: relay.inside, parameters: openly("lab@example.org", "desk@example.net")}.task(), provision.PhaseDone, provision.ReasonVerified, "takes mail"},

		"another password":           {edge{security: "starttls", port: relay.start, username: "lab", password: "guessed"}.task(), provision.PhaseFailed, provision.ReasonCredentialsRejected, "refuses the login lab (535)"},
		"another password by LOGIN":  {edge{security: "tls", port: relay.tls, username: "lab", password: "guessed"}.task(), provision.PhaseFailed, provision.ReasonCredentialsRejected, "refuses the login lab (535)"},
		"a login nobody made":        {edge{security: "starttls", port: relay.start, username: "shop", password: "of shop"}.task(), provision.PhaseFailed, provision.ReasonCredentialsRejected, "refuses the login shop (535)"},
		"any password":               {edge{security: "starttls", port: relay.start, username: "open", password: "of open"}.task(), provision.PhaseFailed, provision.ReasonCheckFailed, "takes any password for open"},
		"no right to send":           {edge{security: "starttls", port: relay.start, username: "muted", password: "of muted"}.task(), provision.PhaseFailed, provision.ReasonCheckFailed, "recipient lab@example.org: 550"},
		"no right without a login":   {edge{security: "starttls", port: relay.start, parameters: openly("lab@example.org", "")}.task(), provision.PhaseFailed, provision.ReasonCheckFailed, "relay not permitted"},
		"a sender that is refused":   {edge{security: "none", port: relay.inside, parameters: openly("forged@example.org", "")}.task(), provision.PhaseFailed, provision.ReasonCheckFailed, "sender forged@example.org: 550"},
		"a recipient that is none":   {edge{security: "none", port: relay.inside, parameters: openly("lab@example.org", "nobody@example.org")}.task(), provision.PhaseFailed, provision.ReasonCheckFailed, "recipient nobody@example.org: 550"},
		"no STARTTLS":                {edge{security: "starttls", port: relay.inside, username: "lab", password: "of lab"}.task(), provision.PhaseFailed, provision.ReasonCheckFailed, "support STARTTLS"},
		"no login offered":           {edge{security: "none", port: relay.inside, username: "lab", password: "of lab"}.task(), provision.PhaseFailed, provision.ReasonCheckFailed, "offers no login"},
		"TLS where there is none":    {edge{security: "tls", port: relay.inside, username: "lab", password: "of lab"}.task(), provision.PhaseFailed, provision.ReasonCheckFailed, "connection by tls"},
		"an authority not trusted":   {untrusted, provision.PhaseFailed, provision.ReasonProviderError, "certificate is not trusted"},
		"held back for now":          {edge{security: "starttls", port: relay.start, username: "busy", password: "of busy"}.task(), provision.PhaseRetry, provision.ReasonProviderUnavailable, "not ready"},
		"nobody listens":             {edge{security: "starttls", port: 1, username: "lab", password: "of lab"}.task(), provision.PhaseRetry, provision.ReasonProviderUnavailable, "connection refused"},
		"nothing in a Secret":        {edge{security: "starttls", port: relay.start}.task(), provision.PhaseFailed, provision.ReasonInvalidRequest, "username and password"},
		"a security that is no such": {edge{security: "ssl", port: relay.start}.task(), provision.PhaseFailed, provision.ReasonInvalidRequest, "want starttls, tls or none"},
		"parameters of others":       {edge{security: "none", port: relay.start, parameters: `[]`}.task(), provision.PhaseFailed, provision.ReasonInvalidRequest, "smtp-v1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			report, err := smtp.Verify(t.Context(), test.task)
			result := provision.Conclude(test.task.Request, report, err)
			if result.Phase != test.phase || result.Reason != test.reason || !strings.Contains(result.Message, test.saying) {
				t.Errorf("ended %s (%s): %q; want %s (%s) saying %q", result.Phase, result.Reason, result.Message, test.phase, test.reason, test.saying)
			}
			if password := test.task.Credentials["password"]; password != "" && strings.Contains(fmt.Sprint(result), password) {
				t.Error("the result holds the password")
			}
		})
	}
	sentNothing(t)
}

// sentNothing looks for mail that the server took. Exim writes a line with an arrow for each.
func sentNothing(t *testing.T) {
	t.Helper()
	log := relay.server.Log()
	if !strings.Contains(log, "rejected RCPT") || strings.Contains(log, " <= ") {
		t.Errorf("a mail was sent, or the log tells nothing: %s", log)
	}
	queued, err := filepath.Glob(filepath.Join(relay.dir, "spool", "input", "*"))
	if err != nil || len(queued) > 0 {
		t.Errorf("mail is queued: %v (%v)", queued, err)
	}
}

func TestVerify_endsWithItsTimeOnAServerThatNeverSpeaks(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	task := edge{security: "none", port: int32(listener.Addr().(*net.TCPAddr).Port), username: "lab", password: "of lab"}.task()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	report, err := smtp.Verify(ctx, task)
	if result := provision.Conclude(task.Request, report, err); result.Phase != provision.PhaseRetry || result.Reason != provision.ReasonTimedOut {
		t.Errorf("ended %s (%s): %q", result.Phase, result.Reason, result.Message)
	}
}
