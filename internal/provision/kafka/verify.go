package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// Verify proves the edge with the consumer's login: that it gets in, sees the topic in the shape asked for, and may do with
// it what was asked for. It writes nothing: a record cannot be taken back.
func (s Server) Verify(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	w, err := newWanted(task)
	if err != nil {
		return report, err
	}
	consumer, err := s.consumer(ctx, task)
	if err != nil {
		return report, err
	}
	defer consumer.Close()
	report.Check("login "+w.username, nil)
	found, exists, err := consumer.topic(ctx, w.topic)
	if err != nil {
		return report, err
	}
	if !exists {
		report.Check("topic "+w.topic, errors.New("the login does not see it"))
		return report, nil
	}
	report.Check("topic "+w.topic, nil)
	report.Check("partitions", enough(len(found.Partitions), int(w.Partitions)))
	report.Check("access", permitted(found.AuthorizedOperations, w.Access))
	differing, err := consumer.differing(ctx, w)
	if err != nil {
		return report, err
	}
	for _, name := range slices.Sorted(maps.Keys(w.Config)) {
		var other error
		if value, differs := differing[name]; differs {
			other = fmt.Errorf("it is %q, want %q", value, w.Config[name])
		}
		report.Check("setting "+name, other)
	}
	report.Message = fmt.Sprintf("topic %s has %d partitions", w.topic, len(found.Partitions))
	return report, nil
}

func enough(have, want int) error {
	if have < want {
		return fmt.Errorf("there are %d, want at least %d", have, want)
	}
	return nil
}

func permitted(operations []kadm.ACLOperation, access string) error {
	needed := map[string][]kadm.ACLOperation{
		accessRead: {kadm.OpRead}, accessWrite: {kadm.OpWrite}, accessReadWrite: {kadm.OpRead, kadm.OpWrite},
	}
	var missing []string
	for _, operation := range needed[access] {
		if !slices.Contains(operations, operation) {
			missing = append(missing, strings.ToLower(operation.String()))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the login may not %s", strings.Join(missing, " and "))
	}
	return nil
}
