package kafka

import (
	"context"
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// Types of principals that marks are made for. Kafka's own logins are of type User, so that nobody is ever one of these.
const (
	activeType   = "DPIBinding"
	retainedType = "DPIRetained"
	userType     = "User"
)

// mark says whose a topic is.
type mark struct {
	topic   string
	binding provision.Binding
	// retained marks keep a topic for the next binding of the same namespace and name.
	retained bool
}

func (m mark) principal() string {
	kind := activeType
	if m.retained {
		kind = retainedType
	}
	return kind + ":" + m.binding.Namespace + "/" + m.binding.Name + "/" + m.binding.UID
}

func parseMark(rule kadm.DescribedACL) (mark, bool) {
	kind, whose, _ := strings.Cut(rule.Principal, ":")
	parts := strings.Split(whose, "/")
	if (kind != activeType && kind != retainedType) || len(parts) != 3 || rule.Type != kmsg.ACLResourceTypeTopic {
		return mark{}, false
	}
	return mark{topic: rule.Name, retained: kind == retainedType, binding: provision.Binding{Namespace: parts[0], Name: parts[1], UID: parts[2]}}, true
}

// marks returns those of one topic, or, without a name, of all. It reports false where the cluster keeps no rules.
func (s *session) marks(ctx context.Context, topic string) (found []mark, kept bool, err error) {
	filter := kadm.NewACLs().ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpDescribe).Allow().AllowHosts()
	if topic == "" {
		filter = filter.Topics()
	} else {
		filter = filter.Topics(topic)
	}
	rules, err := s.rules(ctx, filter)
	if errors.Is(err, kerr.SecurityDisabled) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, s.classify(ctx, err)
	}
	for _, rule := range rules {
		if each, ok := parseMark(rule); ok {
			found = append(found, each)
		}
	}
	return found, true, nil
}

func (s *session) rules(ctx context.Context, filter *kadm.ACLBuilder) ([]kadm.DescribedACL, error) {
	answers, err := s.DescribeACLs(ctx, filter)
	if err != nil {
		return nil, err
	}
	var rules []kadm.DescribedACL
	for _, answer := range answers {
		if answer.Err != nil {
			return nil, answer.Err
		}
		rules = append(rules, answer.Described...)
	}
	return rules, nil
}

func (m mark) rule() *kadm.ACLBuilder {
	return kadm.NewACLs().Topics(m.topic).ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpDescribe).Allow(m.principal()).AllowHosts("*")
}

func (s *session) place(ctx context.Context, m mark) error { return s.createRules(ctx, m.rule()) }

// createRules makes a rule and returns once the broker knows it: the controller answers before.
func (s *session) createRules(ctx context.Context, rule *kadm.ACLBuilder) error {
	made, err := s.CreateACLs(ctx, rule)
	for _, each := range made {
		err = errors.Join(err, each.Err)
	}
	if err != nil {
		return s.classify(ctx, err)
	}
	return settle(ctx, "make an access rule", func(ctx context.Context) (bool, error) {
		found, err := s.rules(ctx, rule)
		return len(found) > 0, s.classify(ctx, err)
	})
}

// removeRules takes away what the filter finds and returns once the broker has forgotten it.
func (s *session) removeRules(ctx context.Context, filter *kadm.ACLBuilder) error {
	removed, err := s.DeleteACLs(ctx, filter)
	for _, each := range removed {
		err = errors.Join(err, each.Err)
	}
	if err != nil {
		return s.classify(ctx, err)
	}
	return settle(ctx, "take an access rule away", func(ctx context.Context) (bool, error) {
		found, err := s.rules(ctx, filter)
		return len(found) == 0, s.classify(ctx, err)
	})
}

// claim marks the topic as the binding's, unless it is somebody else's. It takes over what an earlier binding of the same
// namespace and name left.
func (s *session) claim(ctx context.Context, w wanted, exists bool) (sharers []mark, err error) {
	marks, kept, err := s.marks(ctx, w.topic)
	if err != nil {
		return nil, err
	}
	if !kept {
		return nil, unmarked(w)
	}
	own := mark{topic: w.topic, binding: w.binding}
	has := false
	var earlier []mark
	for _, each := range marks {
		switch {
		case each == own:
			has = true
		case each.binding.Namespace != w.binding.Namespace:
			return nil, foreignTopic(w, "belongs to binding "+each.binding.Namespace+"/"+each.binding.Name+" (uid "+each.binding.UID+")")
		case each.retained && each.binding.Name == w.binding.Name:
			earlier = append(earlier, each)
		case !each.retained:
			sharers = append(sharers, each)
		}
	}
	if exists && len(marks) == 0 {
		return nil, foreignTopic(w, "was not made by a binding")
	}
	if !has {
		if err := s.place(ctx, own); err != nil {
			return nil, err
		}
		if err := s.yield(ctx, own); err != nil {
			return nil, err
		}
	}
	for _, each := range earlier {
		if err := s.removeRules(ctx, each.rule()); err != nil {
			return nil, err
		}
	}
	return sharers, nil
}

// yield decides between bindings of two namespaces that marked a name at the same time: the first by name stays.
func (s *session) yield(ctx context.Context, own mark) error {
	marks, _, err := s.marks(ctx, own.topic)
	if err != nil {
		return err
	}
	for _, each := range marks {
		if each.binding.Namespace < own.binding.Namespace {
			if err := s.removeRules(ctx, own.rule()); err != nil {
				return err
			}
			return provision.Retry(provision.ReasonForeignObject, "the topic %s was taken by namespace %s at the same moment", own.topic, each.binding.Namespace)
		}
	}
	return nil
}

// unmarked is for clusters without access rules, where only the name tells whose a topic is.
func unmarked(w wanted) error {
	if w.topic == ownName(w.binding) {
		return nil
	}
	return provision.Failed(ReasonNotPermitted,
		"the cluster keeps no access rules (authorizer.class.name), so that the topic %s could not be marked as this binding's; leave the parameter topic out, or switch an authorizer on", w.topic)
}

func foreignTopic(w wanted, whose string) error {
	return provision.Failed(provision.ReasonForeignObject, "the topic %s exists and %s; remove it, or choose another name with the parameter topic", w.topic, whose)
}
