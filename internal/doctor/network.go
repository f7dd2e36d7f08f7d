package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
)

const (
	// maxBody bounds what is read of an answer.
	maxBody = 1 << 20
	// certificateDays is how long before its end a certificate is spoken of.
	certificateDays = 14
)

// publicAddress asks the address that Ashby is given for its description.
func (d *doctor) publicAddress(ctx context.Context) []Finding {
	const check = "public address"
	base, isSet := d.Config.PublicURL, d.Config.PublicURL != ""
	if !isSet {
		// What `ashbridge up` takes in its place.
		base = "http://" + d.Config.HTTPAddr
	}
	if !isHTTP(base) {
		return []Finding{skipped(check, "ASHBRIDGE_PUBLIC_URL cannot be read, see configuration")}
	}
	answer, err := d.ask(ctx, d.http, http.MethodGet, base+"/openapi.yaml")
	if err != nil && !isSet {
		return []Finding{skipped(check, "ASHBRIDGE_PUBLIC_URL is not set, which only gateways need, and none listens at "+d.Config.HTTPAddr)}
	}
	if err != nil {
		return []Finding{failed(check, base+": "+sentence(err), advice(err)+". Where only this machine cannot reach it, try it from another")}
	}
	isOurs := answer.status == http.StatusOK && strings.Contains(answer.body, "title: Ashbridge")
	all := []Finding{d.publicAnswer(check, base, isOurs, answer)}
	if at, err := http.ParseTime(answer.date); err == nil && isOurs && isSet {
		// The header has whole seconds.
		all = append(all, clock("clock: public address", clip(time.Until(at)+time.Second/2, time.Second), "the gateway's machine"))
	}
	return all
}

// proxies looks whether the gateway can tell its callers apart: TLS is a proxy's, and without its word all requests come
// from the proxy.
func (d *doctor) proxies(context.Context) []Finding {
	const check = "trusted proxies"
	if !strings.HasPrefix(d.Config.PublicURL, "https://") {
		return nil
	}
	if len(d.Config.TrustedProxies) == 0 {
		return []Finding{warning(check, "ASHBRIDGE_PUBLIC_URL is https, so that a proxy stands before the gateway, and ASHBRIDGE_TRUSTED_PROXIES is empty: "+
			"all callers count as one address, for the limit on wrong tokens and in the audit log",
			"set ASHBRIDGE_TRUSTED_PROXIES of every gateway to the address or network that the proxy's requests come from")}
	}
	return []Finding{ok(check, "the gateway believes what %s say of their callers", strings.Join(d.Config.TrustedProxies, ", "))}
}

func (d *doctor) publicAnswer(check, base string, isOurs bool, answer reply) Finding {
	host, isPlain := hostOf(base)
	status := answer.status
	switch {
	case status >= 300 && status < 400:
		return failed(check, fmt.Sprintf("%s sends elsewhere, with status %d", base, status), "set ASHBRIDGE_PUBLIC_URL to the address that answers itself: a webhook is not sent again elsewhere")
	case status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout:
		return failed(check, fmt.Sprintf("%s answers with status %d", base, status), "see that a gateway runs, and that the proxy before it reaches it")
	case !isOurs:
		return failed(check, fmt.Sprintf("something else than Ashbridge answers at %s, with status %d", base, status), "set ASHBRIDGE_PUBLIC_URL to the gateway's address, or have the proxy before it pass everything on")
	case !answer.ends.IsZero() && time.Until(answer.ends) < certificateDays*24*time.Hour:
		return warning(check, fmt.Sprintf("the certificate of %s ends on %s", base, answer.ends.UTC().Format(time.DateOnly)), "renew it")
	case isLocal(host) && !d.Config.AllowPrivateAshby && d.Config.PublicURL != "":
		return warning(check, base+" is Ashbridge, but only this machine reaches it", "set ASHBRIDGE_PUBLIC_URL to an address that Ashby reaches; until then, the poll alone finds changes")
	case isPlain && !isLocal(host):
		return warning(check, base+" is Ashbridge, in plain HTTP: API keys and webhooks can be read on their way", "put a TLS proxy before the gateway and set ASHBRIDGE_PUBLIC_URL to https")
	}
	return ok(check, "Ashbridge answers at %s", base)
}

func hostOf(base string) (host string, isPlain bool) {
	parsed, err := url.Parse(base)
	if err != nil {
		return "", false
	}
	return parsed.Hostname(), parsed.Scheme == "http"
}

func isHTTP(address string) bool {
	parsed, err := url.Parse(address)
	return err == nil && parsed.Host != "" && (parsed.Scheme == "http" || parsed.Scheme == "https")
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ashby asks Ashby's API for what needs a key, without one.
func (d *doctor) ashby(ctx context.Context) []Finding {
	const check = "ashby"
	if !isHTTP(d.Config.AshbyURL) {
		return []Finding{skipped(check, "ASHBRIDGE_ASHBY_URL cannot be read, see configuration")}
	}
	client := ashby.DefaultHTTPClient(d.Config.AllowPrivateAshby)
	defer client.CloseIdleConnections()
	began := time.Now()
	answer, err := d.ask(ctx, client, http.MethodPost, d.Config.AshbyURL+"/apiKey.info")
	switch {
	case errors.Is(err, ashby.ErrPrivateAddress):
		return []Finding{failed(check, d.Config.AshbyURL+" leads to an address that is not public", "mend the name's resolution; for a simulator set ASHBRIDGE_ALLOW_PRIVATE_ASHBY=true")}
	case err != nil:
		return []Finding{failed(check, d.Config.AshbyURL+": "+sentence(err), advice(err))}
	}
	all := []Finding{ok(check, "%s answers in %s", d.Config.AshbyURL, span(time.Since(began)))}
	switch status := answer.status; {
	case status >= 500 || status == http.StatusTooManyRequests:
		all[0] = warning(check, fmt.Sprintf("%s answers with status %d", d.Config.AshbyURL, status), "wait, and look at https://status.ashbyhq.com; nothing closes meanwhile")
	case status != http.StatusUnauthorized && status != http.StatusForbidden:
		all[0] = failed(check, fmt.Sprintf("%s answers a request without a key with status %d, which Ashby does not", d.Config.AshbyURL, status), "set ASHBRIDGE_ASHBY_URL to Ashby's API, or remove it")
	}
	if at, err := http.ParseTime(answer.date); err == nil {
		all = append(all, clock("clock: Ashby", clip(time.Until(at)+time.Second/2, time.Second), "Ashby"))
	}
	return all
}

// clip takes an error of measurement from a difference.
func clip(d, by time.Duration) time.Duration {
	switch {
	case d > by:
		return d - by
	case d < -by:
		return d + by
	}
	return 0
}

// reply is what is looked at of an answer.
type reply struct {
	status     int
	date, body string
	// ends is when the certificate does, the zero time where there is none.
	ends time.Time
}

// ask makes a request and reads what it needs of the answer.
func (d *doctor) ask(ctx context.Context, client *http.Client, method, address string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("User-Agent", "ashbridge-doctor/"+d.Version)
	answer, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return reply{}, err
	}
	r := reply{status: answer.StatusCode, date: answer.Header.Get("Date"), body: string(body)}
	if answer.TLS != nil && len(answer.TLS.PeerCertificates) > 0 {
		r.ends = answer.TLS.PeerCertificates[0].NotAfter
	}
	return r, nil
}

// sentence is an error in one line, without the address of the request before it.
func sentence(err error) string {
	if bad, ok := errors.AsType[*url.Error](err); ok {
		err = bad.Err
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// advice says what to do about a request that got no answer.
func advice(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name is not resolved here: see to DNS, or to the name"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not trusted here: renew it, or add the authority that signed it to this machine's, where a proxy intercepts"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "it does not speak TLS: see the port, and https against http"
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "nothing answered in time: see to firewall, route and proxy (HTTPS_PROXY)"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "nothing listens there: start it, or see the port"
	}
	return "see to firewall, route and proxy (HTTPS_PROXY)"
}
