package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
)

const maxData = 4 << 30

// VerifyReferenceData proves that what is at the address has the digest that was stated. It reads up to 4 GiB.
func VerifyReferenceData(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	target, err := open(task)
	if err != nil {
		return report, err
	}
	// The time given to the whole request bounds the download.
	target.client.Timeout = 0
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.url, http.NoBody)
	if err != nil {
		return report, provision.Failed(provision.ReasonInvalidRequest, "the address %q is not one: %w", target.url, err)
	}
	answer, err := target.client.Do(request)
	if err != nil {
		return report, web.Unreachable(ctx, err)
	}
	defer func() { _ = answer.Body.Close() }()
	switch {
	case answer.StatusCode >= http.StatusInternalServerError, answer.StatusCode == http.StatusTooManyRequests:
		return report, provision.Retry(provision.ReasonProviderUnavailable, "%s answers %s", target.url, answer.Status)
	case answer.StatusCode != http.StatusOK:
		report.Check("data", fmt.Errorf("%s answers %d, want 200", target.url, answer.StatusCode))
		return report, nil
	}
	sum := sha256.New()
	read, err := io.Copy(sum, io.LimitReader(answer.Body, maxData+1))
	if err != nil {
		return report, web.Unreachable(ctx, err)
	}
	if read > maxData {
		return report, provision.Failed(provision.ReasonProviderError, "%s has more than %d bytes", target.url, int64(maxData))
	}
	var other error
	if got, want := "sha256:"+hex.EncodeToString(sum.Sum(nil)), task.Value("digest"); got != want {
		other = fmt.Errorf("%s has the digest %s, want %s; state the new digest if the edition changed on purpose", target.url, got, want)
	}
	report.Check("digest", other)
	report.Message = fmt.Sprintf("%s has the stated digest (%d bytes)", target.url, read)
	return report, nil
}
