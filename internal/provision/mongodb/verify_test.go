package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/mongodb"
	"github.com/dpi-operator/dpi-operator/internal/provision/mongodb/mongotest"
	"github.com/dpi-operator/dpi-operator/internal/provision/servertest"
)

var server *mongotest.Server

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := servertest.Dir("mongodb")
	if err == nil {
		server, err = mongotest.Start(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, errors.Join(err, os.RemoveAll(dir)))
		return 1
	}
	code := m.Run()
	if err := errors.Join(server.Close(), os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func task(name string) provision.Task {
	return provision.Task{
		Request: provision.Request{
			Action: provision.ActionVerify,
			Outputs: map[string]string{
				"host": "127.0.0.1", "port": strconv.Itoa(int(server.Port)), "uri": "mongodb://" + servertest.Address(server.Port) + "/", "replica-set": "",
				"database": name, "auth-source": "admin", "username": name + "_a",
			},
		},
		Credentials: provision.Secrets{"password": "secret of " + name},
	}
}

// made is a login with the right to write its database and whatever else is given, as a provisioner or an administrator would make it.
func made(name string, further map[string]mongotest.Right) provision.Task {
	rights := map[string]mongotest.Right{name: mongotest.ReadWrite}
	maps.Copy(rights, further)
	server.Know(name+"_a", mongotest.Login{Source: "admin", Password: "secret of " + name, Rights: rights})
	return task(name)
}

func with(task provision.Task, outputs map[string]string) provision.Task {
	maps.Copy(task.Request.Outputs, outputs)
	return task
}

func TestVerify_againstAStandInStore(t *testing.T) {
	wrong := made("wrong", nil)
	wrong.Credentials = provision.Secrets{"password": "guessed wrong"}
	secure := with(made("secure", nil), map[string]string{"uri": "mongodb://" + servertest.Address(server.SecurePort) + "/?tls=true"})
	untrusted := with(made("untrusted", nil), secure.Request.Outputs)
	secure.Credentials["ca.crt"] = server.CA
	empty := task("empty")
	empty.Credentials = nil
	away := map[string]string{"uri": "mongodb://127.0.0.1:1/"}
	tests := map[string]struct {
		task           provision.Task
		phase          provision.Phase
		reason, saying string
	}{
		"as asked for": {made("lab", nil), provision.PhaseDone, provision.ReasonVerified, "logged in to lab as lab_a"},
		"by TLS":       {secure, provision.PhaseDone, provision.ReasonVerified, "logged in to secure as secure_a"},

		"a login nobody made":        {task("nobody"), provision.PhaseFailed, provision.ReasonCredentialsRejected, "refuses the login nobody_a of admin"},
		"another password":           {wrong, provision.PhaseFailed, provision.ReasonCredentialsRejected, "refuses the login wrong_a of admin"},
		"a login of another source":  {with(made("source", nil), map[string]string{"auth-source": "source"}), provision.PhaseFailed, provision.ReasonCredentialsRejected, "refuses the login source_a of source"},
		"no rights":                  {made("closed", map[string]mongotest.Right{"closed": 0}), provision.PhaseFailed, provision.ReasonCheckFailed, "put a document"},
		"reading only":               {made("reader", map[string]mongotest.Right{"reader": mongotest.Read}), provision.PhaseFailed, provision.ReasonCheckFailed, "put a document"},
		"rights on another database": {made("wide", map[string]mongotest.Right{"payroll": mongotest.Read}), provision.PhaseFailed, provision.ReasonCheckFailed, "it reaches payroll"},
		"rights on every database":   {made("global", map[string]mongotest.Right{mongotest.AnyDatabase: mongotest.Read}), provision.PhaseFailed, provision.ReasonCheckFailed, "reaches its database only"},
		"an authority not trusted":   {untrusted, provision.PhaseFailed, provision.ReasonProviderError, "certificate is not trusted"},
		"nobody listens":             {with(task("away"), away), provision.PhaseRetry, provision.ReasonProviderUnavailable, "connection refused"},
		"a replica set it is not":    {with(made("set", nil), map[string]string{"uri": task("set").Request.Outputs["uri"] + "?replicaSet=rs0", "replica-set": "rs0"}), provision.PhaseRetry, provision.ReasonProviderUnavailable, "no server answers as one that takes writes"},
		"nothing in a Secret":        {empty, provision.PhaseFailed, provision.ReasonInvalidRequest, "database, username and password"},
		"an address that is no such": {with(task("lab"), map[string]string{"uri": "http://127.0.0.1/"}), provision.PhaseFailed, provision.ReasonInvalidRequest, "does not begin with"},
		"a password in the address":  {with(task("lab"), map[string]string{"uri": "mongodb://who:secret-of-who@127.0.0.1/"}), provision.PhaseFailed, provision.ReasonInvalidRequest, "names a login"},
		"two names of a replica set": {with(task("lab"), map[string]string{"replica-set": "rs0"}), provision.PhaseFailed, provision.ReasonInvalidRequest, "replica-set is"},
		"an option that is no such":  {with(task("lab"), map[string]string{"uri": "mongodb://127.0.0.1/?tls=perhaps"}), provision.PhaseFailed, provision.ReasonInvalidRequest, "cannot be used"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			report, err := mongodb.Verify(t.Context(), test.task)
			result := provision.Conclude(test.task.Request, report, err)
			if result.Phase != test.phase || result.Reason != test.reason || !strings.Contains(result.Message, test.saying) {
				t.Errorf("ended %s (%s): %q; want %s (%s) saying %q", result.Phase, result.Reason, result.Message, test.phase, test.reason, test.saying)
			}
			for _, secret := range []string{test.task.Credentials["password"], "secret-of-who"} {
				if secret != "" && strings.Contains(fmt.Sprint(result), secret) {
					t.Error("the result holds a password")
				}
			}
		})
	}
	for _, database := range []string{"lab", "secure", "wide", "global"} {
		if left := collections(t, database); len(left) > 0 {
			t.Errorf("the proof left %v in %s", left, database)
		}
	}
}

// behind looks at the documents past the guard.
func behind(t *testing.T) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + server.Store()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) })
	return client
}

func collections(t *testing.T, database string) []string {
	t.Helper()
	names, err := behind(t).Database(database).ListCollectionNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestVerify_takesAwayWhatAKilledProofLeft_againstAStandInStore(t *testing.T) {
	proved := made("killed", nil)
	if _, err := behind(t).Database("killed").Collection("dpi_operator_probe").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "left"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := mongodb.Verify(t.Context(), proved); err != nil {
		t.Fatal(err)
	}
	if left := collections(t, "killed"); len(left) > 0 {
		t.Errorf("the proof left %v", left)
	}
}
