package kafka

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// brokerDefault lets the cluster choose how often it copies a partition.
const brokerDefault = -1

// topic returns the topic as this login sees it, with what the login may do; false means that there is none.
func (s *session) topic(ctx context.Context, name string) (kadm.TopicDetail, bool, error) {
	metadata, err := s.Metadata(kadm.WithAuthorizedOps(ctx), name)
	if err != nil {
		return kadm.TopicDetail{}, false, s.classify(ctx, err)
	}
	found := metadata.Topics[name]
	if errors.Is(found.Err, kerr.UnknownTopicOrPartition) {
		return found, false, nil
	}
	return found, found.Err == nil, s.classify(ctx, found.Err)
}

// ensureTopic makes the topic, or brings it into the shape asked for as far as those who share it agree.
func (s *session) ensureTopic(ctx context.Context, w wanted) error {
	found, exists, err := s.topic(ctx, w.topic)
	if err != nil {
		return err
	}
	sharers, err := s.claim(ctx, w, exists)
	if err != nil {
		return err
	}
	if !exists {
		return s.createTopic(ctx, w)
	}
	if err := s.ensureConfig(ctx, w, sharers); err != nil {
		return err
	}
	if len(found.Partitions) >= int(w.Partitions) {
		return nil
	}
	grown, err := s.UpdatePartitions(ctx, int(w.Partitions), w.topic)
	if err == nil {
		err = grown.Error()
	}
	if err != nil && !errors.Is(err, kerr.InvalidPartitions) {
		return s.classify(ctx, err)
	}
	return s.settleTopic(ctx, w)
}

func (s *session) createTopic(ctx context.Context, w wanted) error {
	config := map[string]*string{}
	for name, value := range w.Config {
		config[name] = &value
	}
	replicas := w.ReplicationFactor
	if replicas == 0 {
		replicas = brokerDefault
	}
	_, err := s.CreateTopic(ctx, w.Partitions, replicas, config, w.topic)
	switch {
	// Another run may have made it in between; the next one looks at its shape.
	case err == nil, errors.Is(err, kerr.TopicAlreadyExists):
		return s.settleTopic(ctx, w)
	case errors.Is(err, kerr.InvalidConfig):
		return provision.Failed(ReasonSettingRefused, "Kafka does not take the configuration of topic %s: %w; correct the binding's parameters", w.topic, err)
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return provision.Failed(ReasonSettingRefused, "Kafka cannot keep %d copies of topic %s; it has fewer brokers", w.ReplicationFactor, w.topic)
	}
	return s.classify(ctx, err)
}

// settleTopic waits until each partition has a leader.
func (s *session) settleTopic(ctx context.Context, w wanted) error {
	return settle(ctx, "make the topic "+w.topic, func(ctx context.Context) (bool, error) {
		found, exists, err := s.topic(ctx, w.topic)
		if err != nil || !exists || len(found.Partitions) < int(w.Partitions) {
			return false, err
		}
		return !slices.ContainsFunc(found.Partitions.Sorted(), func(p kadm.PartitionDetail) bool { return p.Err != nil }), nil
	})
}

// differing returns the values in force of the settings that are asked for and differ.
func (s *session) differing(ctx context.Context, w wanted) (map[string]string, error) {
	described, err := s.DescribeTopicConfigs(ctx, w.topic)
	if err != nil {
		return nil, s.classify(ctx, err)
	}
	resource, err := described.On(w.topic, nil)
	if err == nil {
		err = resource.Err
	}
	if err != nil {
		return nil, s.classify(ctx, err)
	}
	differing := maps.Clone(w.Config)
	for name := range differing {
		differing[name] = ""
	}
	for _, each := range resource.Configs {
		if _, asked := w.Config[each.Key]; !asked {
			continue
		}
		if differing[each.Key] = each.MaybeValue(); differing[each.Key] == w.Config[each.Key] {
			delete(differing, each.Key)
		}
	}
	return differing, nil
}

func (s *session) ensureConfig(ctx context.Context, w wanted, sharers []mark) error {
	differing, err := s.differing(ctx, w)
	if err != nil || len(differing) == 0 {
		return err
	}
	names := slices.Sorted(maps.Keys(differing))
	if len(sharers) > 0 {
		return provision.Failed(ReasonSettingRefused, "the topic %s is shared with binding %s and has %s=%q there; ask for the same, or leave it out",
			w.topic, sharers[0].binding.Name, names[0], differing[names[0]])
	}
	var changes []kadm.AlterConfig
	for _, name := range names {
		value := w.Config[name]
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value})
	}
	answers, err := s.AlterTopicConfigs(ctx, changes, w.topic)
	for _, answer := range answers {
		err = errors.Join(err, answer.Err)
	}
	if errors.Is(err, kerr.InvalidConfig) || errors.Is(err, kerr.InvalidRequest) {
		return provision.Failed(ReasonSettingRefused, "Kafka does not take the configuration of topic %s: %w; correct the binding's parameters", w.topic, err)
	}
	if err != nil {
		return s.classify(ctx, err)
	}
	return settle(ctx, "configure the topic "+w.topic, func(ctx context.Context) (bool, error) {
		differing, err := s.differing(ctx, w)
		return len(differing) == 0, err
	})
}
