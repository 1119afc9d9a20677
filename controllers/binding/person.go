package binding

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/credentials"
	"github.com/dpi-operator/dpi-operator/internal/naming"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
)

const (
	// givenSuffix names the Secret that a person leaves.
	givenSuffix = "given"
	// personInterval is how often it is looked for: Secrets are not watched.
	personInterval = 15 * time.Second
)

func (p *pass) givenName() string {
	return cmp.Or(p.object.Spec.Given, naming.Join(naming.ObjectMax, p.object.Spec.SecretName, givenSuffix))
}

// observeGiven reads what a person left, where one is asked.
func (p *pass) observeGiven(ctx context.Context) error {
	if !p.object.Spec.IsGiven() {
		return nil
	}
	if _, err := p.get(ctx, p.givenName(), &p.seen.given); err != nil {
		return fmt.Errorf("read Secret %s: %w", p.givenName(), err)
	}
	return nil
}

// receive takes what a person left, or says whose turn it is.
func (p *pass) receive(ctx context.Context) outcome.Outcome {
	given := map[string]string{}
	var missing []string
	for _, output := range p.object.Spec.Outputs {
		value := string(p.seen.given.Data[output.Name])
		switch isFact := output.Value != nil && output.Alternate == nil; {
		case isFact && value != "" && value != *output.Value:
			return p.stopped(&refusal{reason: v1alpha1.ReasonInvalid, message: fmt.Sprintf(
				"Secret %s says another %s than the stack, which has %q; correct one of the two, with parameters or external.endpoints where it is the stack",
				p.givenName(), output.Name, *output.Value)})
		case isFact, output.PublicOf != "" && value == "":
		case value != "" && (output.Origin == v1alpha1.OriginMinted || p.object.Spec.Given != ""):
			given[output.Name] = value
		case output.Origin == v1alpha1.OriginMinted, output.Origin == v1alpha1.OriginGenerated && p.object.Spec.Given != "":
			missing = append(missing, output.Name)
		}
	}
	if len(missing) > 0 {
		return p.ask(fmt.Sprintf("put %s into Secret %s%s", strings.Join(missing, ", "), p.givenName(), p.toSign()))
	}
	if problem := p.checkCertificates(given); problem != "" {
		return p.ask(fmt.Sprintf("%s of Secret %s cannot be taken%s", problem, p.givenName(), p.toSign()))
	}
	if err := p.store(ctx, given); err != nil {
		return p.stopped(err)
	}
	p.object.Status.WaitingFor = nil
	return p.provisioned(ctx)
}

// ask waits for the person that the provider's entry names, and says what is wanted of them.
func (p *pass) ask(what string) outcome.Outcome {
	person := p.object.Spec.Provider.Person
	if person == nil {
		person = &v1alpha1.PersonStep{Who: "whoever runs " + p.object.Spec.Provider.Component, Instruction: "Hand the credentials over"}
	}
	return p.awaitPerson(v1alpha1.PersonWait{
		Who: person.Who, SecretName: p.givenName(), Instruction: strings.TrimRight(person.Instruction, ". ") + "; " + what,
	})
}

// toSign says where the requests are that certificates are wanted for.
func (p *pass) toSign() string {
	var requests []string
	for _, output := range p.object.Spec.Outputs {
		if output.Request != nil {
			requests = append(requests, output.Name)
		}
	}
	if len(requests) == 0 {
		return ""
	}
	return "; to be signed is " + strings.Join(requests, ", ") + " in status.published of this binding"
}

// checkCertificates looks whether certificates are for the keys that are here: a wrong one is named, with what is wrong.
func (p *pass) checkCertificates(given map[string]string) string {
	for _, output := range p.object.Spec.Outputs {
		if output.CertificateOf == "" || given[output.Name] == "" {
			continue
		}
		if err := credentials.CheckCertificate(string(p.secret.Data[output.CertificateOf]), given[output.Name], p.Now()); err != nil {
			return output.Name + " (" + err.Error() + ")"
		}
	}
	return ""
}

// awaitPerson says whose turn it is, and since when. Waiting is not an error: nothing is counted and nothing stalls.
func (p *pass) awaitPerson(turn v1alpha1.PersonWait) outcome.Outcome {
	turn.Since = metav1.NewTime(p.Now())
	if known := p.object.Status.WaitingFor; known != nil && known.Instruction == turn.Instruction {
		turn.Since = known.Since
	}
	p.object.Status.WaitingFor = &turn
	text := "Waiting for a person: "
	if turn.Who != "" {
		text = "Waiting for " + turn.Who + ": "
	}
	p.verdict = verdict{reason: v1alpha1.ReasonWaitingForPerson, message: text + turn.Instruction}
	at := metav1.NewTime(p.Now().Add(personInterval))
	if !p.object.Spec.IsGiven() {
		p.object.Status.RetryAt = &at
	}
	return outcome.Wait(personInterval)
}
