package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// User agents by which the API server's audit log tells the measured processes apart.
const (
	operatorAgent = "dpi-operator/"
	helmAgent     = "dpi-bench-helm"
)

// auditPolicy logs one line for each request, when it arrives: a watch counts once, whether or not it has ended.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted, ResponseComplete, Panic]
rules: [{level: Metadata}]
`

// audit is the API server's own log of requests.
type audit struct{ path string }

// flags make the API server write the log.
func (a audit) flags(dir string) (map[string]string, error) {
	policy := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, err
	}
	return map[string]string{"audit-policy-file": policy, "audit-log-path": a.path, "audit-log-maxsize": "1000"}, nil
}

// requests counts what an agent asked for in a span of time, by verb and resource.
func (a audit) requests(agent string, from, to time.Time) (map[string]int, error) {
	file, err := os.Open(a.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	counts := map[string]int{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event auditv1.Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		at := event.RequestReceivedTimestamp.Time
		if !strings.HasPrefix(event.UserAgent, agent) || at.Before(from) || at.After(to) {
			continue
		}
		counts[describe(event)]++
	}
	return counts, lines.Err()
}

func describe(event auditv1.Event) string {
	if event.ObjectRef == nil {
		path, _, _ := strings.Cut(event.RequestURI, "?")
		return event.Verb + " " + path
	}
	resource := event.ObjectRef.Resource
	if event.ObjectRef.Subresource != "" {
		resource += "/" + event.ObjectRef.Subresource
	}
	return event.Verb + " " + resource
}
