package smtp

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/emersion/go-sasl"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// byPassword is the value of the parameter authentication that stands for a login.
const byPassword = "password"

// parameters of smtp-v1.
type parameters struct {
	From           string `json:"from"`
	Authentication string `json:"authentication"`
	ProbeRecipient string `json:"probeRecipient"`
}

// login is who sends.
type login struct{ username, password string }

// Verify proves the edge with the consumer's login: the server takes sender and recipient of a mail, which is then called
// off, and refuses the same login with another password.
func Verify(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	var asked parameters
	if err := json.Unmarshal(task.Request.Parameters, &asked); err != nil {
		return report, provision.Failed(provision.ReasonInvalidRequest, "the parameters are not those of smtp-v1: %w", err)
	}
	r, err := relayOf(task)
	if err != nil {
		return report, err
	}
	who := login{username: task.Value("username"), password: task.Credentials["password"]}
	switch named := who.username != "" && who.password != ""; {
	case asked.Authentication != byPassword:
		who = login{}
	case !named:
		return report, provision.Failed(provision.ReasonInvalidRequest, "the binding's Secret needs the keys username and password")
	}
	if err := proveMail(ctx, r, who, asked, &report); err != nil || !report.Holds() {
		return report, err
	}
	report.Message = r.address + " takes mail from " + asked.From
	if who.username == "" {
		return report, nil
	}
	report.Message += " by the login " + who.username
	return report, proveStranger(ctx, r, who, &report)
}

// proveMail goes as far as a mail can go without being one.
func proveMail(ctx context.Context, r relay, who login, asked parameters, report *provision.Report) error {
	s, err := r.open(ctx)
	if err != nil {
		return found(report, "connection by "+r.security, err)
	}
	defer s.close()
	report.Check("connection by "+r.security, nil)
	if who.username != "" {
		if err := s.authenticate(ctx, who); err != nil {
			return found(report, "login "+who.username, rejected(who, err))
		}
		report.Check("login "+who.username, nil)
	}
	recipient := asked.ProbeRecipient
	if recipient == "" {
		recipient = asked.From
	}
	for _, step := range []struct {
		name string
		take func() error
	}{
		{"sender " + asked.From, func() error { return s.client.Mail(asked.From, nil) }},
		{"recipient " + recipient, func() error { return s.client.Rcpt(recipient, nil) }},
		{"calling the mail off", s.client.Reset},
	} {
		if err := step.take(); err != nil {
			return found(report, step.name, explain(ctx, err))
		}
		report.Check(step.name, nil)
	}
	return nil
}

// proveStranger makes sure that the password matters.
func proveStranger(ctx context.Context, r relay, who login, report *provision.Report) error {
	const name = "closed to other passwords"
	s, err := r.open(ctx)
	if err != nil {
		return found(report, name, err)
	}
	defer s.close()
	err = s.authenticate(ctx, login{username: who.username, password: rand.Text()})
	var no *refusal
	switch {
	case err == nil:
		report.Check(name, fmt.Errorf("the server takes any password for %s", who.username))
	case errors.As(err, &no):
		report.Check(name, nil)
	default:
		return found(report, name, err)
	}
	return nil
}

// found records a refusal of the server's as a finding, and passes on what ends the proof.
func found(report *provision.Report, name string, err error) error {
	if no, ok := errors.AsType[*refusal](err); ok {
		report.Check(name, no)
		return nil
	}
	return err
}

// rejected tells the refusal of a login from others. Its words are left out: they may repeat what was sent.
func rejected(who login, err error) error {
	no, ok := errors.AsType[*refusal](err)
	if ok && (no.code == codeCredentials || no.enhanced == enhancedCredentials) {
		return provision.Failed(provision.ReasonCredentialsRejected, "the server refuses the login %s (%d)", who.username, no.code)
	}
	return err
}

// authenticate logs in by whichever of the two mechanisms for passwords the server offers.
func (s *session) authenticate(ctx context.Context, who login) error {
	switch {
	case s.client.SupportsAuth(sasl.Plain):
		return explain(ctx, s.client.Auth(sasl.NewPlainClient("", who.username, who.password)))
	case s.client.SupportsAuth(sasl.Login):
		return explain(ctx, s.client.Auth(loginClient(who)))
	}
	return &refusal{says: "the server offers no login by PLAIN or LOGIN"}
}

// loginSteps is the mechanism LOGIN, begun without a first answer as the older servers want it.
type loginSteps struct{ answers [][]byte }

func loginClient(who login) sasl.Client {
	return &loginSteps{answers: [][]byte{[]byte(who.username), []byte(who.password)}}
}

// Start names the mechanism.
func (*loginSteps) Start() (mechanism string, first []byte, err error) { return sasl.Login, nil, nil }

// Next answers the two questions of the mechanism in their order: servers word them in many ways.
func (l *loginSteps) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, errors.New("the server asks for more than username and password")
	}
	answer := l.answers[0]
	l.answers = l.answers[1:]
	return answer, nil
}
