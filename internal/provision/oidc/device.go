package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
)

// checkDevices asks, as the consumer, for a login on another device (RFC 8628, section 3.1), which no client is for. What an
// issuer hands out where it should not runs out unused.
func (i issuer) checkDevices(ctx context.Context, id string, shown proof, report *provision.Report) error {
	if i.metadata.DeviceEndpoint == "" {
		return nil
	}
	form := url.Values{}
	if shown.key != nil {
		var err error
		if form, err = i.assertion(id, *shown.key); err != nil {
			return err
		}
	}
	form.Set("client_id", id)
	form.Set("scope", "openid")
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, i.metadata.DeviceEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return provision.Failed(provision.ReasonProviderError, "the issuer's device_authorization_endpoint %q is not an address", i.metadata.DeviceEndpoint)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if shown.key == nil {
		// Encoded first, as RFC 6749, section 2.3.1, has it.
		request.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(shown.secret))
	}
	answer, err := web.Do(i.client, request)
	if err != nil {
		return err
	}
	var granted struct {
		DeviceCode string `json:"device_code"`
	}
	// An answer of another shape grants nothing.
	_ = json.Unmarshal(answer.Body, &granted)
	err = nil
	if granted.DeviceCode != "" {
		err = errors.New("the issuer lets people log in on another device; close the client's device grant")
	}
	report.Check("no device grant", err)
	return nil
}
