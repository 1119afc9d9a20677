package postgresql

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// rotating asks for an owner and a login that uses its tables; both rotate.
func rotating(name string) provision.Task {
	task := newTask(name, parameters{Schemas: []string{"app"}, Roles: []roleParameter{{Name: "app", Privileges: asWrite}}})
	task.Request.Outputs["app-username"] = name + "_app_a"
	return task
}

// staged is the task with the other logins and fresh passwords, as the staging Secret of a rotation has them.
func staged(task provision.Task, round int) provision.Task {
	next := task
	next.Request.Outputs, next.Credentials, next.Request.Retired = map[string]string{}, provision.Secrets{}, nil
	for key, value := range task.Request.Outputs {
		next.Request.Outputs[key] = value
		if key == "username" || strings.HasSuffix(key, "-username") {
			next.Request.Outputs[key] = other(value)
		}
	}
	for key := range task.Credentials {
		next.Credentials[key] = fmt.Sprintf("%s of round %d", key, round)
	}
	return next
}

func other(login string) string {
	if base, ok := strings.CutSuffix(login, "_b"); ok {
		return base + "_a"
	}
	return strings.TrimSuffix(login, "_a") + "_b"
}

// retirement is the request that takes away what was in force before the task's credentials were.
func retirement(task provision.Task) provision.Task {
	task.Request.Action = provision.ActionRetire
	task.Request.Retired = map[string]string{}
	for key, value := range task.Request.Outputs {
		if key == "username" || strings.HasSuffix(key, "-username") {
			task.Request.Retired[key] = other(value)
		}
	}
	return task
}

// consumer is software that keeps talking: workers of both logins, through pools that ask for the credentials in force
// whenever they connect.
type consumer struct {
	inForce  atomic.Pointer[provision.Task]
	queries  atomic.Int64
	failures sync.Map
	stop     context.CancelFunc
	done     sync.WaitGroup
}

const consumerWorkers = 3

func startConsumer(t *testing.T, task provision.Task) *consumer {
	t.Helper()
	c := &consumer{}
	c.inForce.Store(&task)
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	for _, prefix := range []string{"", "app-"} {
		for worker := range consumerWorkers {
			pool := c.pool(t, prefix)
			c.done.Go(func() {
				defer pool.Close()
				c.talk(ctx, pool, prefix+strconv.Itoa(worker))
			})
		}
	}
	t.Cleanup(c.end)
	return c
}

func (c *consumer) pool(t *testing.T, prefix string) *pgxpool.Pool {
	t.Helper()
	task := c.inForce.Load()
	address := url.URL{
		Scheme: "postgres", Host: "127.0.0.1:" + strconv.Itoa(int(task.Request.Endpoint.Port)), Path: "/" + task.Request.Outputs["database"],
		RawQuery: "pool_max_conns=2",
	}
	config, err := pgxpool.ParseConfig(address.String())
	if err != nil {
		t.Fatal(err)
	}
	config.BeforeConnect = func(_ context.Context, connect *pgx.ConnConfig) error {
		current := c.inForce.Load()
		connect.User, connect.Password = current.Request.Outputs[prefix+"username"], current.Credentials[prefix+"password"]
		return nil
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// talk writes and reads until it is stopped. It takes new credentials up as a rolled consumer does: what is under way ends
// with the old ones, what begins has the new ones.
func (c *consumer) talk(ctx context.Context, pool *pgxpool.Pool, name string) {
	known := c.inForce.Load()
	for round := 0; ctx.Err() == nil; round++ {
		if current := c.inForce.Load(); current != known {
			known = current
			pool.Reset()
		}
		if round%20 == 0 {
			pool.Reset()
		}
		_, err := pool.Exec(ctx, "INSERT INTO app.words (word) VALUES ($1)", name)
		if err != nil && ctx.Err() == nil {
			c.failures.Store(name+" "+strconv.Itoa(round), err)
		}
		c.queries.Add(1)
	}
}

func (c *consumer) end() {
	c.stop()
	c.done.Wait()
}

func (c *consumer) wantNoFailure(t *testing.T) {
	t.Helper()
	c.failures.Range(func(where, err any) bool {
		t.Errorf("query %s failed: %v", where, err)
		return true
	})
}

// talked waits until the consumer has done work with what is in force.
func (c *consumer) talked(t *testing.T) {
	t.Helper()
	ctx := testContext(t)
	for wanted := c.queries.Load() + 4*consumerWorkers; c.queries.Load() < wanted; {
		if ctx.Err() != nil {
			t.Fatal("the consumer stands still")
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}

// belongings are the owners of all tables and the logins there are.
func belongings(t *testing.T, name string) (owners, logins []string) {
	t.Helper()
	owners = queryAll(t, name, name, []string{
		`SELECT concat_ws(' ', relname, pg_get_userbyid(relowner)) FROM pg_class WHERE relnamespace::regnamespace::text = 'app' AND $1 <> '' ORDER BY 1`})
	logins = queryAll(t, "postgres", name, []string{
		`SELECT rolname::text FROM pg_roles r WHERE rolname LIKE $1 AND EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid) ORDER BY 1`})
	return owners, logins
}

func mustRetire(t *testing.T, s Server, task provision.Task) {
	t.Helper()
	report, err := s.Retire(testContext(t), retirement(task))
	mustBeDone(t, provision.ActionRetire, report, err)
}

// A consumer that keeps talking sees no failed request while its credentials are rotated again and again, although the
// rotation is killed after any message to the server and run again; nothing changes hands, and no third login appears.
func TestRotation_killedAfterAnyMessageFailsNoRequest(t *testing.T) {
	const name = "rotation"
	task := rotating(name)
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	owner := connect(t, name, name+"_a", task.Credentials["password"])
	mustExec(t, owner, "CREATE TABLE app.words (id serial PRIMARY KEY, word text)")
	if err := owner.Close(testContext(t)); err != nil {
		t.Fatal(err)
	}
	owners, _ := belongings(t, name)
	client := startConsumer(t, task)
	client.talked(t)

	// One rotation is watched, to know what there is to be killed.
	watch := &fuse{}
	task = rotate(t, client, task, rotation{round: 0, provision: Server{dial: watch.dial}})
	provisionKills := effects(watch.sent)
	watch = &fuse{}
	task = rotate(t, client, task, rotation{round: 1, retire: Server{dial: watch.dial}})
	retireKills := effects(watch.sent)
	if len(provisionKills) < 3 || len(retireKills) < 3 {
		t.Fatalf("only %d and %d messages change anything, the test proves little", len(provisionKills), len(retireKills))
	}

	round := 2
	for _, messages := range provisionKills {
		task = rotate(t, client, task, rotation{round: round, provision: Server{dial: (&fuse{messages: messages}).dial}, again: true})
		round++
	}
	for _, messages := range retireKills {
		task = rotate(t, client, task, rotation{round: round, retire: Server{dial: (&fuse{messages: messages}).dial}, again: true})
		round++
	}
	client.end()
	client.wantNoFailure(t)
	after, logins := belongings(t, name)
	if !slices.Equal(owners, after) {
		t.Errorf("tables changed hands: %v, then %v", owners, after)
	}
	if want := []string{name + "_a", name + "_app_a", name + "_app_b", name + "_b"}; !slices.Equal(logins, want) {
		t.Errorf("there are the logins %v, want %v", logins, want)
	}
	t.Logf("%d rotations, killed after each of %d messages with an effect; %d requests, none failed", round, len(provisionKills)+len(retireKills), client.queries.Load())
}

// rotation is how one rotation of the test goes; again runs a killed step once more.
type rotation struct {
	round             int
	provision, retire Server
	again             bool
}

// rotate goes through the phases as the operator does and returns the task in force afterwards.
func rotate(t *testing.T, client *consumer, task provision.Task, r rotation) provision.Task {
	t.Helper()
	next := staged(task, r.round)
	report, err := r.provision.Provision(testContext(t), next)
	if !r.again {
		mustBeDone(t, provision.ActionProvision, report, err)
	}
	if r.again {
		mustProvision(t, next)
	}
	mustVerify(t, next)
	mustVerify(t, task)
	client.inForce.Store(&next)
	client.talked(t)
	mustVerify(t, next)
	_, err = r.retire.Retire(testContext(t), retirement(next))
	if err != nil && !r.again {
		t.Fatal(err)
	}
	mustRetire(t, Server{}, next)
	report, err = Server{}.Verify(testContext(t), consumerOnly(task))
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
	return next
}

func TestRetire_refusesWhatWouldLeaveTheConsumerWithoutALogin(t *testing.T) {
	task := rotating("lastlogin")
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	before := snapshot(t, "lastlogin")

	inForce := retirement(task)
	inForce.Request.Retired = map[string]string{"username": "lastlogin_a"}
	report, err := Server{}.Retire(testContext(t), inForce)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonInvalidRequest)

	unproved := retirement(staged(task, 1))
	report, err = Server{}.Retire(testContext(t), unproved)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)

	noLogin := retirement(task)
	noLogin.Request.Retired = map[string]string{"database": "lastlogin"}
	report, err = Server{}.Retire(testContext(t), noLogin)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonInvalidRequest)
	if after := snapshot(t, "lastlogin"); after != before {
		t.Errorf("something changed:\n%s\nthen\n%s", before, after)
	}
}

func TestRetire_leavesLoginsOfOthersAlone(t *testing.T) {
	admin := superuser(t, "postgres")
	mustExec(t, admin, "CREATE ROLE neighbour_b LOGIN")
	t.Cleanup(func() { mustExec(t, admin, "DROP ROLE neighbour_b") })
	task := rotating("neighbour")
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	report, err := Server{}.Retire(testContext(t), retirement(task))
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonForeignObject)
}

func TestRetire_endsSessionsThatDoNotEndByThemselves(t *testing.T) {
	root := superuser(t, "postgres")
	mustExec(t, root, "CREATE ROLE dba2 LOGIN CREATEDB CREATEROLE PASSWORD 'of the dba'")
	t.Cleanup(func() { mustExec(t, root, "DROP ROLE dba2") })
	task := rotating("lingering")
	task.Admin = provision.Secrets{"username": "dba2", "password": "of the dba"}
	mustProvision(t, task)
	next := staged(task, 1)
	mustProvision(t, next)
	t.Cleanup(func() { remove(t, next) })
	lingering := connect(t, "lingering", "lingering_a", task.Credentials["password"])
	mustRetire(t, Server{patience: 100 * time.Millisecond}, next)
	if lingering.Ping(testContext(t)) == nil {
		t.Error("a session outlived its login")
	}
	mustVerify(t, next)
}
