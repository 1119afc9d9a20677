package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
)

const (
	// probePrefix begins the name of the object that the proof writes; the rest is the binding's, so that one which a killed
	// proof left is replaced and deleted by the next.
	probePrefix   = "dpi-operator-probe/"
	removeTimeout = 10 * time.Second
)

// rejections are the codes by which stores refuse a login.
var rejections = []string{"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "InvalidToken", "Unauthorized"}

// Verify proves the edge with the consumer's login: it puts, reads, lists and deletes one small object, and sees that the same
// object is read by nobody without a login, nor by the login with another secret.
func Verify(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	where, err := placeOf(task)
	if err != nil {
		return report, err
	}
	client, err := where.client(credentials.NewStaticV4(where.accessKeyID, where.secretAccessKey, ""))
	if err != nil {
		return report, err
	}
	p := prover{place: where, client: client, object: probePrefix + task.Request.Binding.UID, report: &report}
	if err := p.prove(ctx); err != nil {
		return report, err
	}
	report.Message = fmt.Sprintf("used the bucket %s as %s", where.bucket, where.accessKeyID)
	return report, nil
}

// prover collects checks. Its methods return an error only when the proof itself could not be made.
type prover struct {
	place  place
	client *minio.Client
	object string
	report *provision.Report
}

func (p prover) prove(ctx context.Context) error {
	content := []byte(rand.Text())
	put, err := p.client.PutObject(ctx, p.place.bucket, p.object, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{ContentType: "text/plain"})
	if err != nil {
		return p.found(ctx, "put an object", err)
	}
	p.report.Check("put an object", nil)
	err = p.proveContent(ctx, content)
	// It goes whatever was found, even where the time given to the proof is over.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	removed := p.remove(after, put.VersionID)
	if err != nil {
		return err
	}
	if removed != nil {
		return p.found(after, "delete it", removed)
	}
	p.report.Check("delete it", nil)
	return nil
}

func (p prover) proveContent(ctx context.Context, content []byte) error {
	for _, step := range []struct {
		name string
		take func() error
	}{
		{"read it", func() error { return p.read(ctx, p.client, content) }},
		{"list it", func() error { return p.list(ctx) }},
	} {
		if err := step.take(); err != nil {
			if err := p.found(ctx, step.name, err); err != nil {
				return err
			}
			continue
		}
		p.report.Check(step.name, nil)
	}
	for _, stranger := range []struct {
		name  string
		login *credentials.Credentials
	}{
		{"closed to readers without a login", credentials.NewStatic("", "", "", credentials.SignatureAnonymous)},
		{"closed to other secrets", credentials.NewStaticV4(p.place.accessKeyID, rand.Text(), "")},
	} {
		if err := p.proveClosed(ctx, stranger.name, stranger.login); err != nil {
			return err
		}
	}
	return nil
}

func (p prover) read(ctx context.Context, client *minio.Client, content []byte) error {
	object, err := client.GetObject(ctx, p.place.bucket, p.object, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = object.Close() }()
	read, err := io.ReadAll(io.LimitReader(object, int64(len(content))+1))
	if err != nil {
		return err
	}
	if !bytes.Equal(read, content) {
		return errOther
	}
	return nil
}

var (
	errOther  = errors.New("it reads something else than was put")
	errUnseen = errors.New("the list does not have it")
)

func (p prover) list(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for object := range p.client.ListObjectsIter(ctx, p.place.bucket, minio.ListObjectsOptions{Prefix: p.object, Recursive: true}) {
		if object.Err != nil {
			return object.Err
		}
		if object.Key == p.object {
			return nil
		}
	}
	return errUnseen
}

// proveClosed makes sure that a reader who should not gets a lasting no.
func (p prover) proveClosed(ctx context.Context, name string, login *credentials.Credentials) error {
	stranger, err := p.place.client(login)
	if err != nil {
		return err
	}
	err = p.read(ctx, stranger, nil)
	switch answer, answered := errors.AsType[minio.ErrorResponse](err); {
	case err == nil, errors.Is(err, errOther):
		p.report.Check(name, errors.New("the object was read"))
	case answered && answer.StatusCode >= http.StatusBadRequest && !passes(answer):
		p.report.Check(name, nil)
	default:
		return p.found(ctx, name, err)
	}
	return nil
}

// remove deletes the version that was put where the store keeps versions and lets the login do so: a delete alone would add to
// them with each proof.
func (p prover) remove(ctx context.Context, version string) error {
	if version != "" {
		err := p.client.RemoveObject(ctx, p.place.bucket, p.object, minio.RemoveObjectOptions{VersionID: version})
		if err == nil {
			return nil
		}
	}
	return p.client.RemoveObject(ctx, p.place.bucket, p.object, minio.RemoveObjectOptions{})
}

// found records what the store has answered as a finding, and passes on what ends the proof.
func (p prover) found(ctx context.Context, name string, err error) error {
	if errors.Is(err, errOther) || errors.Is(err, errUnseen) {
		p.report.Check(name, err)
		return nil
	}
	answer, answered := errors.AsType[minio.ErrorResponse](err)
	switch {
	case !answered:
		return web.Unreachable(ctx, err)
	case passes(answer):
		return provision.Retry(provision.ReasonProviderUnavailable, "the store is not ready: %d %s", answer.StatusCode, answer.Code)
	case slices.Contains(rejections, answer.Code):
		return provision.Failed(provision.ReasonCredentialsRejected, "the store refuses the login %s (%s)", p.place.accessKeyID, answer.Code)
	case answer.Code == minio.NoSuchBucket:
		err = fmt.Errorf("there is no bucket %s", p.place.bucket)
	default:
		// The store's own words may repeat what was sent.
		err = fmt.Errorf("the store answers %d %s", answer.StatusCode, answer.Code)
	}
	p.report.Check(name, err)
	return nil
}

// passes tells an answer that another attempt may not meet.
func passes(answer minio.ErrorResponse) bool {
	return answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests ||
		strings.HasPrefix(answer.Code, "SlowDown")
}
