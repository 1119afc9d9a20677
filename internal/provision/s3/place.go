package s3

import (
	"net/url"
	"strconv"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
)

// place is a bucket and the login to it.
type place struct {
	url                          *url.URL
	region, bucket               string
	lookup                       minio.BucketLookupType
	accessKeyID, secretAccessKey string
	ca                           string
}

func placeOf(task provision.Task) (place, error) {
	where := place{
		region: task.Value("region"), bucket: task.Value("bucket"), lookup: minio.BucketLookupDNS,
		accessKeyID: task.Value("access-key-id"), secretAccessKey: task.Credentials["secret-access-key"], ca: task.Credentials[web.CAKey],
	}
	if where.bucket == "" || where.accessKeyID == "" || where.secretAccessKey == "" {
		return where, provision.Failed(provision.ReasonInvalidRequest, "the binding's Secret needs the keys bucket, access-key-id and secret-access-key")
	}
	address := task.Value("url")
	if address == "" {
		address = task.Request.Endpoint.URL
	}
	var err error
	where.url, err = url.Parse(address)
	if err != nil || where.url.Host == "" || (where.url.Scheme != "http" && where.url.Scheme != "https") || (where.url.Path != "" && where.url.Path != "/") {
		return where, provision.Failed(provision.ReasonInvalidRequest, "the output url is %q, want http or https, a host and no path; correct the catalogue entry of the provider", address)
	}
	if where.region == "" {
		return where, provision.Failed(provision.ReasonInvalidRequest, "the output region is empty; correct the catalogue entry of the provider, us-east-1 where the store has none")
	}
	byPath, err := strconv.ParseBool(task.Value("path-style"))
	if err != nil {
		return where, provision.Failed(provision.ReasonInvalidRequest, "the output path-style is %q, want true or false; correct the catalogue entry of the provider", task.Value("path-style"))
	}
	if byPath {
		where.lookup = minio.BucketLookupPath
	}
	return where, nil
}

// client is one that asks once: the operator tries again, and a proof that hides failures is none.
func (p place) client(login *credentials.Credentials) (*minio.Client, error) {
	trusting, err := web.NewClient(p.ca)
	if err != nil {
		return nil, err
	}
	client, err := minio.New(p.url.Host, &minio.Options{
		Creds: login, Secure: p.url.Scheme == "https", Transport: trusting.Transport, Region: p.region, BucketLookup: p.lookup, MaxRetries: 1,
	})
	if err != nil {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the output url %q cannot be used: %w; correct the catalogue entry of the provider", p.url.Redacted(), err)
	}
	return client, nil
}
