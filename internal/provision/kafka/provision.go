package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// Provision makes the topic and, where the cluster has logins, the consumer's.
func (s Server) Provision(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	w, err := newWanted(task)
	if err != nil {
		return report, err
	}
	admin, err := s.admin(ctx, task)
	if err != nil {
		return report, err
	}
	defer admin.Close()
	if err := admin.ensureTopic(ctx, w); err != nil {
		return report, err
	}
	report.Message = "topic " + w.topic + " is ready"
	if w.logins {
		report.Message += " for " + w.username
		err = admin.ensureLogin(ctx, s, task, w)
	}
	return report, err
}

// Retire ends the access of the login that a rotation replaced, once the one in force is seen to get in.
func (s Server) Retire(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	retired := task.Request.Retired["username"]
	if retired == "" || retired == task.Value("username") || !slices.Contains(ownLogins(task.Request.Binding), retired) {
		return report, provision.Failed(provision.ReasonInvalidRequest, "the retired login %q is none of this binding's that is not in force", retired)
	}
	if !hasLogins(task) {
		report.Message = "the cluster has no logins"
		return report, nil
	}
	inForce, err := s.consumer(ctx, task)
	if err != nil {
		return report, err
	}
	inForce.Close()
	admin, err := s.admin(ctx, task)
	if err != nil {
		return report, err
	}
	defer admin.Close()
	if _, err := admin.removeLogin(ctx, retired); err != nil {
		return report, err
	}
	report.Message = "the login " + retired + " is gone"
	return report, nil
}

// Revoke takes both of the consumer's logins away, the one in force and the one that a rotation makes or leaves. The topic
// stays for the next binding of the same namespace and name, unless the request says DeleteData and nobody shares it. It is
// done where nothing is left.
func (s Server) Revoke(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	admin, err := s.admin(ctx, task)
	if err != nil {
		return report, err
	}
	defer admin.Close()
	removed := false
	for _, username := range ownLogins(task.Request.Binding) {
		if !hasLogins(task) {
			break
		}
		had, err := admin.removeLogin(ctx, username)
		if err != nil {
			return report, err
		}
		removed = removed || had
	}
	topics, err := admin.topicsOf(ctx, task.Request.Binding)
	if err != nil {
		return report, err
	}
	report.Message = "nothing of this binding is on the cluster"
	if removed {
		report.Message = "its login is gone"
	}
	for _, each := range topics {
		if task.Request.DataPolicy == provision.DeleteData {
			report.Message, err = admin.deleteTopic(ctx, each)
		} else {
			report.Reason, report.Message = provision.ReasonRetained, "its login is gone; topic "+each.topic+" is kept"
			err = admin.retain(ctx, each)
		}
		if err != nil {
			return report, err
		}
	}
	return report, nil
}

// topicsOf finds what the binding marked, or, on a cluster without access rules, what has its name.
func (s *session) topicsOf(ctx context.Context, binding provision.Binding) ([]mark, error) {
	all, kept, err := s.marks(ctx, "")
	if err != nil {
		return nil, err
	}
	if !kept {
		_, exists, err := s.topic(ctx, ownName(binding))
		if err != nil || !exists {
			return nil, err
		}
		return []mark{{topic: ownName(binding), binding: binding}}, nil
	}
	return slices.DeleteFunc(all, func(m mark) bool { return m.binding.UID != binding.UID }), nil
}

// retain exchanges the mark for one that keeps the topic for whoever comes next.
func (s *session) retain(ctx context.Context, m mark) error {
	if m.retained {
		return nil
	}
	kept := m
	kept.retained = true
	if err := s.place(ctx, kept); err != nil {
		return ignore(err, kerr.SecurityDisabled)
	}
	return s.removeRules(ctx, m.rule())
}

// deleteTopic deletes the topic, then the mark: a kill in between leaves a mark to find it by.
func (s *session) deleteTopic(ctx context.Context, m mark) (string, error) {
	marks, kept, err := s.marks(ctx, m.topic)
	if err != nil {
		return "", err
	}
	for _, each := range marks {
		if each.binding.UID != m.binding.UID {
			return fmt.Sprintf("its login is gone; topic %s is kept: binding %s has it too", m.topic, each.binding.Name), s.removeRules(ctx, m.rule())
		}
	}
	answer, err := s.DeleteTopic(ctx, m.topic)
	if err == nil {
		err = answer.Err
	}
	if err := ignore(err, kerr.UnknownTopicOrPartition); err != nil {
		return "", s.classify(ctx, err)
	}
	err = settle(ctx, "delete the topic "+m.topic, func(ctx context.Context) (bool, error) {
		_, exists, err := s.topic(ctx, m.topic)
		return !exists, err
	})
	if err == nil && kept {
		err = s.removeRules(ctx, m.rule())
	}
	return "topic " + m.topic + " and its login are deleted", err
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}
