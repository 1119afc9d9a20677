package binding

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
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
		person := p.object.Spec.Provider.Person
		if person == nil {
			person = &v1alpha1.PersonStep{Who: "whoever runs " + p.object.Spec.Provider.Component, Instruction: "Hand the credentials over"}
		}
		return p.awaitPerson(v1alpha1.PersonWait{
			Who: person.Who, SecretName: p.givenName(),
			Instruction: fmt.Sprintf("%s; put %s into Secret %s", strings.TrimRight(person.Instruction, ". "), strings.Join(missing, ", "), p.givenName()),
		})
	}
	if err := p.store(ctx, given); err != nil {
		return p.stopped(err)
	}
	p.object.Status.WaitingFor = nil
	return p.provisioned(ctx)
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
