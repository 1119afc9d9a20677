package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/provision/servertest"
)

const (
	// Username is the admin's on a closed cluster.
	Username = "operator-admin"
	// Password is the admin's. The broker listens on the loopback interface for the length of a test.
	Password = "of-a-kafka-that-lives-for-one-test"

	homeVariable = "KAFKA_HOME"
	clusterID    = "ZHBpLW9wZXJhdG9yLXRlcw"
)

// Broker is a running Kafka of one broker.
type Broker struct {
	// Port of the listener for clients.
	Port int32

	dir    string
	home   string
	server *servertest.Server
}

// StartClosed starts a cluster with logins (SCRAM-SHA-512) and access rules: who has none may do nothing.
func StartClosed(ctx context.Context) (*Broker, error) {
	return start(ctx, "SASL_PLAINTEXT",
		"sasl.enabled.mechanisms=SCRAM-SHA-512",
		"listener.name.clients.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:"+Username+";User:ANONYMOUS")
}

// StartOpen starts a cluster without logins and access rules.
func StartOpen(ctx context.Context) (*Broker, error) { return start(ctx, "PLAINTEXT") }

// Close stops the broker and removes its data.
func (b *Broker) Close() error {
	var stopped error
	if b.server != nil {
		stopped = b.server.Stop()
	}
	return errors.Join(stopped, os.RemoveAll(b.dir))
}

func start(ctx context.Context, protocol string, further ...string) (*Broker, error) {
	b := &Broker{home: os.Getenv(homeVariable)}
	if found, err := filepath.Glob(filepath.Join(b.home, "kafka_2.13-*.jar")); b.home == "" || err != nil || len(found) == 0 {
		return nil, fmt.Errorf("%s does not name the programs of Kafka: run `make test`, or set it to what internal/provision/kafka/kafkatest/home.sh prints", homeVariable)
	}
	var err error
	if b.dir, err = servertest.Dir("kafka"); err != nil {
		return nil, err
	}
	if err := b.run(ctx, protocol, further); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *Broker) run(ctx context.Context, protocol string, further []string) error {
	var ports [3]int32
	for i := range ports {
		port, err := servertest.Port()
		if err != nil {
			return err
		}
		ports[i] = port
	}
	b.Port = ports[0]
	properties := filepath.Join(b.dir, "server.properties")
	lines := append([]string{
		"process.roles=broker,controller", "node.id=1",
		fmt.Sprintf("controller.quorum.voters=1@127.0.0.1:%d", ports[1]),
		fmt.Sprintf("listeners=CLIENTS://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d,INTERNAL://127.0.0.1:%d", ports[0], ports[1], ports[2]),
		fmt.Sprintf("advertised.listeners=CLIENTS://127.0.0.1:%d,INTERNAL://127.0.0.1:%d", ports[0], ports[2]),
		"listener.security.protocol.map=CLIENTS:" + protocol + ",CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT",
		"controller.listener.names=CONTROLLER", "inter.broker.listener.name=INTERNAL",
		"log.dirs=" + filepath.Join(b.dir, "data"), "offsets.topic.replication.factor=1", "auto.create.topics.enable=false",
	}, further...)
	if err := os.WriteFile(properties, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		return fmt.Errorf("configure Kafka: %w", err)
	}
	_, err := servertest.Run(ctx, servertest.Spec{Name: "format Kafka's storage", Dir: b.dir, Command: b.java("kafka.tools.StorageTool",
		"format", "--cluster-id", clusterID, "--config", properties, "--add-scram", "SCRAM-SHA-512=[name="+Username+",password="+Password+"]")})
	if err != nil {
		return err
	}
	b.server, err = servertest.Start(ctx, servertest.Spec{
		Name: "Kafka", Dir: b.dir, Command: b.java("kafka.Kafka", properties), Ready: servertest.Accepts(b.Port),
	})
	return err
}

func (b *Broker) java(program string, args ...string) []string {
	return append([]string{
		"java", "-Xms64m", "-Xmx300m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.io.tmpdir=" + b.dir, "-cp", filepath.Join(b.home, "*"), program,
	}, args...)
}
