package kafka

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/kafka/kafkatest"
	"github.com/dpi-operator/dpi-operator/internal/provision/servertest"
)

var broker *kafkatest.Broker

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if broker, err = kafkatest.StartClosed(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := broker.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

const testTimeout = 2 * time.Minute

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

// orders asks for two partitions and a setting, under the binding's own name.
func orders(name string) provision.Task {
	return newTask(name, parameters{Partitions: 2, Config: map[string]string{"retention.ms": "3600000"}, Access: accessReadWrite})
}

func newTask(name string, asked parameters) provision.Task {
	raw, err := json.Marshal(asked)
	if err != nil {
		panic(err)
	}
	binding := provision.Binding{UID: "uid-of-" + name, Namespace: "trade", Name: name}
	topic := asked.Topic
	if topic == "" {
		topic = ownName(binding)
	}
	return provision.Task{
		Request: provision.Request{
			APIVersion: provision.APIVersion, Handler: "kafka", Contract: contractTopic, Binding: binding, Parameters: raw,
			Endpoint: provision.Endpoint{Host: "127.0.0.1", Port: broker.Port},
			Outputs: map[string]string{
				"host": "127.0.0.1", "port": strconv.Itoa(int(broker.Port)), "bootstrap-servers": servertest.Address(broker.Port),
				"security-protocol": saslPlaintext, "topic": topic, "username": ownLogins(binding)[0],
			},
		},
		Admin:       provision.Secrets{"username": kafkatest.Username, "password": kafkatest.Password},
		Credentials: provision.Secrets{"password": "secret of " + name},
	}
}

// handed is a copy with other outputs.
func handed(task provision.Task, outputs map[string]string) provision.Task {
	task.Request.Outputs = maps.Clone(task.Request.Outputs)
	maps.Copy(task.Request.Outputs, outputs)
	return task
}

func mustEnd(t *testing.T, report provision.Report, err error, phase provision.Phase, reason string) provision.Result {
	t.Helper()
	result := provision.Conclude(provision.Request{Action: provision.ActionVerify}, report, err)
	if result.Phase != phase || (reason != "" && result.Reason != reason) {
		t.Fatalf("ended %s (%s): %q; want %s (%s)", result.Phase, result.Reason, result.Message, phase, reason)
	}
	return result
}

func mustProvision(t *testing.T, task provision.Task) {
	t.Helper()
	report, err := Server{}.Provision(testContext(t), task)
	mustEnd(t, report, err, provision.PhaseDone, "")
}

func mustVerify(t *testing.T, task provision.Task) {
	t.Helper()
	task.Admin = nil
	report, err := Server{}.Verify(testContext(t), task)
	mustEnd(t, report, err, provision.PhaseDone, "")
}

func mustRevoke(t *testing.T, task provision.Task, policy provision.DataPolicy) provision.Result {
	t.Helper()
	task.Request.DataPolicy = policy
	// The consumer's Secret may be gone by now.
	task.Credentials = nil
	report, err := Server{}.Revoke(testContext(t), task)
	return mustEnd(t, report, err, provision.PhaseDone, "")
}

func root(t *testing.T) *session {
	t.Helper()
	admin, err := Server{}.admin(testContext(t), orders("any"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	return admin
}

// snapshot is everything on the cluster that has the name, with the name taken out.
func snapshot(t *testing.T, name string) string {
	t.Helper()
	ctx, admin := testContext(t), root(t)
	var lines []string
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for topic, detail := range topics {
		if strings.Contains(topic, name) {
			configs, err := admin.DescribeTopicConfigs(ctx, topic)
			if err != nil {
				t.Fatal(err)
			}
			for _, config := range configs[0].Configs {
				if config.Source == kmsg.ConfigSourceDynamicTopicConfig {
					lines = append(lines, fmt.Sprint("setting ", topic, " ", config.Key, "=", config.MaybeValue()))
				}
			}
			lines = append(lines, fmt.Sprint("topic ", topic, " ", len(detail.Partitions)))
		}
	}
	rules, err := admin.rules(ctx, kadm.NewACLs().AnyResource().ResourcePatternType(kadm.ACLPatternAny).Operations(kadm.OpAny).Allow().AllowHosts())
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules {
		if strings.Contains(rule.Name+rule.Principal, name) {
			lines = append(lines, fmt.Sprint("rule ", rule.Principal, " ", rule.Type, " ", rule.Name, " ", rule.Pattern, " ", rule.Operation, " ", rule.Permission))
		}
	}
	logins, err := admin.DescribeUserSCRAMs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for login, described := range logins {
		if strings.Contains(login, name) {
			lines = append(lines, fmt.Sprint("login ", login, " ", described.CredInfos))
		}
	}
	slices.Sort(lines)
	return strings.ReplaceAll(strings.Join(lines, "\n"), name, "NAME")
}

// effects are the requests that change something, by their key in Kafka's protocol.
var effects = map[int16]string{
	19: "CreateTopics", 20: "DeleteTopics", 30: "CreateAcls", 31: "DeleteAcls", 37: "CreatePartitions", 44: "IncrementalAlterConfigs", 51: "AlterUserScramCredentials",
}

// fuse stands for the network of a process that is killed: after so many requests with an effect went out and were answered,
// every connection breaks and none can be made. Nobody reads the last answer.
type fuse struct {
	mu    sync.Mutex
	left  int
	blown bool
	open  []net.Conn
	sent  []string
}

var errBlown = errors.New("killed")

func (f *fuse) dial(ctx context.Context, network, address string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blown {
		return nil, errBlown
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	f.open = append(f.open, conn)
	return fusedConn{Conn: conn, fuse: f}, nil
}

type fusedConn struct {
	net.Conn

	fuse *fuse
}

// Write takes one request: four bytes with its size, two with its key.
func (c fusedConn) Write(request []byte) (int, error) {
	c.fuse.mu.Lock()
	defer c.fuse.mu.Unlock()
	if c.fuse.blown {
		return 0, errBlown
	}
	n, err := c.Conn.Write(request)
	name, hasEffect := effects[int16(binary.BigEndian.Uint16(request[4:6]))]
	if err != nil || !hasEffect {
		return n, err
	}
	c.fuse.sent = append(c.fuse.sent, name)
	c.fuse.left--
	if c.fuse.left == 0 {
		c.fuse.blown = true
		// The answer begins when the work is done.
		_, _ = io.ReadFull(c.Conn, make([]byte, 4))
		for _, open := range c.fuse.open {
			_ = open.Close()
		}
	}
	return n, err
}
