package s3_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/s3"
	"github.com/dpi-operator/dpi-operator/internal/provision/s3/s3test"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
)

var server *s3test.Server

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if server, err = s3test.Start(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func admin(t *testing.T) *minio.Client {
	t.Helper()
	trusting, err := web.NewClient(server.CA)
	if err != nil {
		t.Fatal(err)
	}
	client, err := minio.New(strings.TrimPrefix(server.URL, "https://"), &minio.Options{
		Creds:  credentials.NewStaticV4(s3test.AccessKeyID, s3test.SecretAccessKey, ""),
		Secure: true, Transport: trusting.Transport, Region: s3test.Region, BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// rights of a login on a bucket and what is in it.
const everything = `"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucket"`

func allow(bucket, principal, actions string) string {
	return fmt.Sprintf(`{"Effect": "Allow", "Principal": %s, "Action": [%s], "Resource": ["arn:aws:s3:::%s", "arn:aws:s3:::%[3]s/*"]}`, principal, actions, bucket)
}

func task(name string) provision.Task {
	return provision.Task{
		Request: provision.Request{
			Action: provision.ActionVerify, Binding: provision.Binding{UID: "0f7c-" + name},
			Outputs: map[string]string{"url": server.URL, "region": s3test.Region, "path-style": "true", "bucket": name, "access-key-id": name + "-login"},
		},
		Credentials: provision.Secrets{"secret-access-key": "the secret of " + name, "ca.crt": server.CA},
	}
}

// made is a bucket with a login that has the given rights, as a provisioner or an administrator would make them.
func made(t *testing.T, name, actions string, further ...string) provision.Task {
	t.Helper()
	out := task(name)
	login := out.Request.Outputs["access-key-id"]
	if err := server.Login(t.Context(), login, out.Credentials["secret-access-key"]); err != nil {
		t.Fatal(err)
	}
	if err := admin(t).MakeBucket(t.Context(), name, minio.MakeBucketOptions{Region: s3test.Region}); err != nil {
		t.Fatal(err)
	}
	if actions != "" {
		further = append(further, allow(name, fmt.Sprintf(`{"AWS": [%q]}`, login), actions))
	}
	if len(further) == 0 {
		return out
	}
	policy := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [%s]}`, strings.Join(further, ", "))
	if err := admin(t).SetBucketPolicy(t.Context(), name, policy); err != nil {
		t.Fatal(err)
	}
	return out
}

func with(task provision.Task, outputs map[string]string) provision.Task {
	maps.Copy(task.Request.Outputs, outputs)
	return task
}

func TestVerify(t *testing.T) {
	wrong := made(t, "wrong", everything)
	wrong.Credentials["secret-access-key"] = "guessed wrongly"
	unnamed := made(t, "unnamed", everything)
	unnamed.Request.Outputs["bucket"] = "unmade"
	untrusted := task("untrusted")
	delete(untrusted.Credentials, "ca.crt")
	empty := task("empty")
	empty.Credentials = nil
	tests := map[string]struct {
		task           provision.Task
		phase          provision.Phase
		reason, saying string
	}{
		"as asked for": {made(t, "lab", everything), provision.PhaseDone, provision.ReasonVerified, "used the bucket lab as lab-login"},

		"a login nobody made":          {task("nobody"), provision.PhaseFailed, provision.ReasonCredentialsRejected, "refuses the login nobody-login"},
		"another secret":               {wrong, provision.PhaseFailed, provision.ReasonCredentialsRejected, "SignatureDoesNotMatch"},
		"a bucket nobody made":         {unnamed, provision.PhaseFailed, provision.ReasonCheckFailed, "there is no bucket unmade"},
		"no rights":                    {made(t, "closed", ""), provision.PhaseFailed, provision.ReasonCheckFailed, "put an object: the store answers 403 AccessDenied"},
		"no right to read":             {made(t, "deaf", `"s3:PutObject", "s3:DeleteObject", "s3:ListBucket"`), provision.PhaseFailed, provision.ReasonCheckFailed, "read it: the store answers 403"},
		"no right to list":             {made(t, "blind", `"s3:PutObject", "s3:DeleteObject", "s3:GetObject"`), provision.PhaseFailed, provision.ReasonCheckFailed, "list it: the store answers 403"},
		"no right to delete":           {made(t, "stuck", `"s3:PutObject", "s3:ListBucket", "s3:GetObject"`), provision.PhaseFailed, provision.ReasonCheckFailed, "delete it: the store answers 403"},
		"open to everybody":            {made(t, "open", everything, allow("open", `"*"`, `"s3:GetObject"`)), provision.PhaseFailed, provision.ReasonCheckFailed, "closed to readers without a login: the object was read"},
		"nobody listens":               {with(task("away"), map[string]string{"url": "https://127.0.0.1:1"}), provision.PhaseRetry, provision.ReasonProviderUnavailable, "connection refused"},
		"a bucket in the name of host": {with(task("lab"), map[string]string{"url": "https://store.invalid", "path-style": "false"}), provision.PhaseRetry, provision.ReasonProviderUnavailable, "lookup lab.store.invalid"},
		"an authority not trusted":     {untrusted, provision.PhaseFailed, provision.ReasonProviderError, "certificate is not trusted"},
		"another region":               {with(made(t, "south", everything), map[string]string{"region": "test-2"}), provision.PhaseFailed, provision.ReasonCheckFailed, "AuthorizationHeaderMalformed"},
		"nothing in a Secret":          {empty, provision.PhaseFailed, provision.ReasonInvalidRequest, "secret-access-key"},
		"an address that is no such":   {with(task("lab"), map[string]string{"url": "s3://store"}), provision.PhaseFailed, provision.ReasonInvalidRequest, "want http or https"},
		"a path in the address":        {with(task("lab"), map[string]string{"url": "https://store.invalid/files"}), provision.PhaseFailed, provision.ReasonInvalidRequest, "no path"},
		"no region":                    {with(task("lab"), map[string]string{"region": ""}), provision.PhaseFailed, provision.ReasonInvalidRequest, "region is empty"},
		"a style that is no such":      {with(task("lab"), map[string]string{"path-style": "auto"}), provision.PhaseFailed, provision.ReasonInvalidRequest, "want true or false"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			report, err := s3.Verify(t.Context(), test.task)
			result := provision.Conclude(test.task.Request, report, err)
			if result.Phase != test.phase || result.Reason != test.reason || !strings.Contains(result.Message, test.saying) {
				t.Errorf("ended %s (%s): %q; want %s (%s) saying %q", result.Phase, result.Reason, result.Message, test.phase, test.reason, test.saying)
			}
			if secret := test.task.Credentials["secret-access-key"]; secret != "" && strings.Contains(fmt.Sprint(result), secret) {
				t.Error("the result holds the secret")
			}
		})
	}
	for _, bucket := range []string{"lab", "deaf", "blind", "open"} {
		if left := versions(t, bucket); len(left) > 0 {
			t.Errorf("the proof left %v in %s", left, bucket)
		}
	}
}

func versions(t *testing.T, bucket string) []string {
	t.Helper()
	var out []string
	for object := range admin(t).ListObjectsIter(t.Context(), bucket, minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		if object.Err != nil {
			t.Fatal(object.Err)
		}
		out = append(out, object.Key+" "+object.VersionID)
	}
	return out
}

// What a killed proof left must not stay for good, nor be in the way.
func TestVerify_takesAwayWhatAKilledProofLeft(t *testing.T) {
	proved := made(t, "killed", everything)
	left := "dpi-operator-probe/" + proved.Request.Binding.UID
	if _, err := admin(t).PutObject(t.Context(), "killed", left, strings.NewReader("left"), 4, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s3.Verify(t.Context(), proved); err != nil {
		t.Fatal(err)
	}
	if left := versions(t, "killed"); len(left) > 0 {
		t.Errorf("the proof left %v", left)
	}
}

// A bucket with versions would grow by each proof.
func TestVerify_leavesNoVersions(t *testing.T) {
	proved := made(t, "kept", everything)
	if err := admin(t).EnableVersioning(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
	report, err := s3.Verify(t.Context(), proved)
	if err != nil || !report.Holds() {
		t.Fatal(err, report.Checks)
	}
	if left := versions(t, "kept"); len(left) > 0 {
		t.Errorf("the proof left %v", left)
	}
}

func TestVerify_waitsForAStoreThatIsNotReady(t *testing.T) {
	starting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer starting.Close()
	waiting := with(task("lab"), map[string]string{"url": starting.URL})
	report, err := s3.Verify(t.Context(), waiting)
	result := provision.Conclude(waiting.Request, report, err)
	if result.Phase != provision.PhaseRetry || !strings.Contains(result.Message, "not ready: 503") {
		t.Errorf("ended %s (%s): %q", result.Phase, result.Reason, result.Message)
	}
}
