// Package courier posts one message to an endpoint of somebody else's, signed as the Standard Webhooks specification
// (https://www.standardwebhooks.com) says, and tells what came of it.
//
// It promises that a message leads to no address inside, whatever the endpoint's name resolves to at that moment; that it
// follows no redirect and uses no proxy, which would connect on its behalf unguarded; that it ends within the timeout,
// whatever the endpoint does; and that it reads no more of an answer than its beginning.
package courier

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/guard"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// DefaultTimeout is how long an endpoint has to answer; the specification recommends 15 to 30 s.
	DefaultTimeout = 15 * time.Second
	// contentType is that of a CloudEvent as a whole, which every message is.
	contentType = "application/cloudevents+json"
	userAgent   = "Ashbridge-Webhooks/1"
)

// Options configure a Courier.
type Options struct {
	// AllowPrivate lets endpoints be plain http and private addresses. It is for a demo and for tests.
	AllowPrivate bool
	// Timeout is how long an attempt may take; DefaultTimeout where zero.
	Timeout time.Duration
	// RootCAs are the authorities that endpoints' certificates are checked with; the system's where nil.
	RootCAs *x509.CertPool
	// Resolver looks names up; the system's where nil.
	Resolver *net.Resolver
	// Now is the clock of signatures; time.Now where nil.
	Now func() time.Time
}

// Courier posts messages. It is safe for concurrent use, and keeps connections open.
type Courier struct {
	http    *http.Client
	timeout time.Duration
	now     func() time.Time
	private bool
}

// New returns a Courier.
func New(o Options) *Courier {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Resolver: o.Resolver}
	if !o.AllowPrivate {
		dialer.Control = guard.Control
	}
	return &Courier{
		timeout: o.Timeout, now: o.Now, private: o.AllowPrivate,
		http: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DialContext:            dialer.DialContext,
				TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
				TLSHandshakeTimeout:    10 * time.Second,
				IdleConnTimeout:        90 * time.Second,
				MaxIdleConns:           256,
				MaxIdleConnsPerHost:    16,
				MaxResponseHeaderBytes: 32 << 10,
				DisableCompression:     true,
				ForceAttemptHTTP2:      true,
				// A connection that fell silent is given up; every message would wait for its timeout otherwise.
				HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
			},
		},
	}
}

// Close closes the connections that are open and not in use.
func (c *Courier) Close() { c.http.CloseIdleConnections() }

// Message is what is to be posted.
type Message struct {
	URL string
	// ID stays the same however often the message is sent.
	ID   string
	Body []byte
	// Secrets are what it is signed with, each apart, the current one first.
	Secrets []ashby.Secret
}

// Result is what came of an attempt.
type Result struct {
	mirror.Attempt
	// RetryAfter is what the endpoint asked for, zero where it did not.
	RetryAfter time.Duration
}

// Delivered says that the endpoint took the message: it answered 2xx.
func (r Result) Delivered() bool { return r.Error == "" }

// Send posts a message once. What goes wrong is a part of the result.
func (c *Courier) Send(ctx context.Context, m Message) Result {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	began := time.Now()
	r := Result{Attempt: mirror.Attempt{At: c.now().UTC().Truncate(time.Millisecond)}}
	req, err := c.request(ctx, m)
	if err != nil {
		r.Error, r.Detail = ErrorAddress, "Nothing was sent: the endpoint's address or signing secret cannot be used."
		return r
	}
	resp, err := c.http.Do(req)
	if err != nil {
		r.Millis = time.Since(began).Milliseconds()
		r.Error, r.Detail = errorOf(err)
		return r
	}
	defer func() { _ = resp.Body.Close() }()
	r.Millis = time.Since(began).Milliseconds()
	r.Status = resp.StatusCode
	r.Error, r.Detail = errorOfStatus(resp.StatusCode)
	start := beginning(resp.Body, cancel)
	if r.Error != "" {
		r.Answer = excerpt(start)
		r.RetryAfter = retryAfter(resp.Header, c.now())
	}
	return r
}

// request makes the signed request.
func (c *Courier) request(ctx context.Context, m Message) (*http.Request, error) {
	if wrong := WrongURL(m.URL, c.private); wrong != "" {
		return nil, fmt.Errorf("address of an endpoint: %s", wrong)
	}
	at := c.now()
	signatures, err := sign(m, at)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set(standardwebhooks.HeaderWebhookID, m.ID)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signatures)
	return req, nil
}

// sign returns the signatures, a space between them.
func sign(m Message, at time.Time) (string, error) {
	all := make([]string, 0, len(m.Secrets))
	for _, s := range m.Secrets {
		key, err := keyOf(s)
		if err != nil {
			return "", err
		}
		signer, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return "", fmt.Errorf("making a signer: %w", err)
		}
		signature, err := signer.Sign(m.ID, at, m.Body)
		if err != nil {
			return "", fmt.Errorf("signing: %w", err)
		}
		all = append(all, signature)
	}
	if len(all) == 0 {
		return "", errSecret
	}
	return strings.Join(all, " "), nil
}
