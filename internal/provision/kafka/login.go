package kafka

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// scramIterations is how often a password is hashed; Kafka takes 4096 to 16384.
const scramIterations = 8192

// right is one thing that a login may do.
type right struct {
	kind      kmsg.ACLResourceType
	name      string
	pattern   kadm.ACLPattern
	operation kadm.ACLOperation
}

// rights are what the access asked for comes to. Groups and transactions are the topic's name, or that with a dot and more.
func (w wanted) rights() []right {
	topic := func(operation kadm.ACLOperation) right {
		return right{kmsg.ACLResourceTypeTopic, w.topic, kadm.ACLPatternLiteral, operation}
	}
	rights := []right{topic(kadm.OpDescribe), topic(kadm.OpDescribeConfigs)}
	named := func(kind kmsg.ACLResourceType, operation kadm.ACLOperation) {
		rights = append(rights,
			right{kind, w.topic, kadm.ACLPatternLiteral, operation}, right{kind, w.topic + ".", kadm.ACLPatternPrefixed, operation})
	}
	if w.Access != accessWrite {
		rights = append(rights, topic(kadm.OpRead))
		named(kmsg.ACLResourceTypeGroup, kadm.OpRead)
	}
	if w.Access != accessRead {
		rights = append(rights, topic(kadm.OpWrite))
		named(kmsg.ACLResourceTypeTransactionalId, kadm.OpDescribe)
		named(kmsg.ACLResourceTypeTransactionalId, kadm.OpWrite)
	}
	return rights
}

func (r right) rule(username string) *kadm.ACLBuilder {
	rule := kadm.NewACLs().ResourcePatternType(r.pattern).Operations(r.operation).Allow(userType + ":" + username).AllowHosts("*")
	switch r.kind {
	case kmsg.ACLResourceTypeGroup:
		return rule.Groups(r.name)
	case kmsg.ACLResourceTypeTransactionalId:
		return rule.TransactionalIDs(r.name)
	default:
		return rule.Topics(r.name)
	}
}

// rightsOf returns what a login may do now.
func (s *session) rightsOf(ctx context.Context, username string) ([]right, error) {
	rules, err := s.rules(ctx, everythingOf(username))
	if errors.Is(err, kerr.SecurityDisabled) {
		return nil, nil
	}
	if err != nil {
		return nil, s.classify(ctx, err)
	}
	rights := make([]right, 0, len(rules))
	for _, rule := range rules {
		rights = append(rights, right{rule.Type, rule.Name, rule.Pattern, rule.Operation})
	}
	return rights, nil
}

func everythingOf(username string) *kadm.ACLBuilder {
	return kadm.NewACLs().AnyResource().ResourcePatternType(kadm.ACLPatternAny).Operations(kadm.OpAny).Allow(userType + ":" + username).AllowHosts()
}

// ensureLogin gives the login exactly the rights asked for, then the password.
func (s *session) ensureLogin(ctx context.Context, server Server, task provision.Task, w wanted) error {
	if !slices.Contains(ownLogins(w.binding), w.username) {
		return provision.Failed(provision.ReasonInvalidRequest, "the login %q is none of this binding's, which are %s", w.username, strings.Join(ownLogins(w.binding), " and "))
	}
	_, kept, err := s.marks(ctx, w.topic)
	if err != nil {
		return err
	}
	if kept {
		if err := s.ensureRights(ctx, w); err != nil {
			return err
		}
	}
	known, err := s.knows(ctx, w.username)
	if err != nil {
		return err
	}
	if known && server.opens(ctx, task, w) == nil {
		return nil
	}
	if err := s.alterLogins(ctx, nil, []kadm.UpsertSCRAM{{User: w.username, Mechanism: kadm.ScramSha512, Iterations: scramIterations, Password: w.password}}); err != nil {
		return err
	}
	var last error
	err = settle(ctx, "make the login "+w.username, func(ctx context.Context) (bool, error) {
		last = server.opens(ctx, task, w)
		return last == nil, nil
	})
	if err != nil {
		return errors.Join(last, err)
	}
	return nil
}

func (s *session) ensureRights(ctx context.Context, w wanted) error {
	current, err := s.rightsOf(ctx, w.username)
	if err != nil {
		return err
	}
	wantedRights := w.rights()
	for _, each := range wantedRights {
		if slices.Contains(current, each) {
			continue
		}
		if err := s.createRules(ctx, each.rule(w.username)); err != nil {
			return err
		}
	}
	for _, each := range current {
		if slices.Contains(wantedRights, each) {
			continue
		}
		if err := s.removeRules(ctx, each.rule(w.username)); err != nil {
			return err
		}
	}
	return nil
}

// opens reports whether the consumer gets in and sees its topic.
func (s Server) opens(ctx context.Context, task provision.Task, w wanted) error {
	consumer, err := s.consumer(ctx, task)
	if err != nil {
		return err
	}
	defer consumer.Close()
	_, exists, err := consumer.topic(ctx, w.topic)
	if err == nil && !exists {
		err = errors.New("the login does not see its topic yet")
	}
	return err
}

// knows reports whether the login has a password.
func (s *session) knows(ctx context.Context, username string) (bool, error) {
	described, err := s.DescribeUserSCRAMs(ctx, username)
	if err != nil {
		return false, s.classify(ctx, err)
	}
	found, ok := described[username]
	if !ok || errors.Is(found.Err, kerr.ResourceNotFound) {
		return false, nil
	}
	return found.Err == nil, s.classify(ctx, found.Err)
}

func (s *session) alterLogins(ctx context.Context, remove []kadm.DeleteSCRAM, set []kadm.UpsertSCRAM) error {
	altered, err := s.AlterUserSCRAMs(ctx, remove, set)
	for _, each := range altered {
		if !errors.Is(each.Err, kerr.ResourceNotFound) {
			err = errors.Join(err, each.Err)
		}
	}
	return s.classify(ctx, err)
}

// removeLogin takes rights and password of a login away, as far as it has any.
func (s *session) removeLogin(ctx context.Context, username string) (bool, error) {
	rights, err := s.rightsOf(ctx, username)
	if err != nil {
		return false, err
	}
	if len(rights) > 0 {
		if err := s.removeRules(ctx, everythingOf(username)); err != nil {
			return false, err
		}
	}
	known, err := s.knows(ctx, username)
	if err != nil || !known {
		return len(rights) > 0, err
	}
	if err := s.alterLogins(ctx, []kadm.DeleteSCRAM{{User: username, Mechanism: kadm.ScramSha512}}, nil); err != nil {
		return true, err
	}
	return true, settle(ctx, "take the login "+username+" away", func(ctx context.Context) (bool, error) {
		known, err := s.knows(ctx, username)
		return !known, err
	})
}
