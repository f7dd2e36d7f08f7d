// Package apiclient calls the gateway's HTTP API for the commands and the demo. A token goes to the address that it was
// given for and follows no redirect; what is read of an answer is bounded; what is no success is a *Problem that says in
// sentences what to do.
package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
)

const (
	// timeout is longer than the gateway lets any request take, which is 30 s.
	timeout = 40 * time.Second
	// maxAnswer bounds what is read of an answer: a page of 200 connections with their reports has about 3 MiB.
	maxAnswer = 16 << 20
	// pageSize is the most that the API gives at once.
	pageSize = 200
)

// ErrUnreachable is that the gateway did not answer, or that what answered is no gateway of ours.
var ErrUnreachable = errors.New("the gateway is not reached")

// Client calls one gateway. It may be used by several goroutines.
type Client struct {
	base  string
	token ashby.Secret
	agent string
	http  *http.Client
}

// Options are what a client needs.
type Options struct {
	// Base is the gateway's address, without a slash at its end.
	Base string
	// Token is the API token.
	Token ashby.Secret
	// Agent is told to the gateway as User-Agent.
	Agent string
}

// New returns a client. Close lets go of its connections.
func New(o Options) *Client {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 30 * time.Second,
		ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
	}
	return &Client{base: o.Base, token: o.Token, agent: o.Agent, http: &http.Client{
		Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Base is the gateway's address.
func (c *Client) Base() string { return c.base }

// Close lets go of connections that are kept for the next call.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Path joins the parts of a path, each escaped.
func Path(parts ...string) string {
	var b bytes.Buffer
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

// Answer is a successful answer.
type Answer struct {
	// Raw is the document as the gateway wrote it.
	Raw json.RawMessage
	// At is the gateway's clock, with whole seconds; zero where it did not say.
	At time.Time
}

// Call sends body, as JSON and if it is not nil, and reads the answer into v, if it is not nil. The error is a *Problem
// where the gateway refused, and ErrUnreachable where it is away.
func (c *Client) Call(ctx context.Context, method, path string, body, v any) (Answer, error) {
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return Answer{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, c.unreached(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return Answer{}, c.unreached(ctx, err)
	}
	if len(raw) > maxAnswer {
		return Answer{}, fmt.Errorf("%w: %s answered %s %s with more than %d MiB", ErrUnreachable, c.base, method, path, maxAnswer>>20)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return Answer{}, c.problem(resp, raw)
	}
	answer := Answer{Raw: raw}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		answer.At = at
	}
	if len(raw) > 0 && !json.Valid(raw) || len(raw) == 0 && v != nil {
		return Answer{}, fmt.Errorf("%w: %s answered %s %s with no JSON: is it Ashbridge's gateway?", ErrUnreachable, c.base, method, path)
	}
	if v == nil {
		return answer, nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return Answer{}, fmt.Errorf("reading the gateway's answer to %s %s: %w", method, path, err)
	}
	return answer, nil
}

func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var sent io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
		sent = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, sent)
	if err != nil {
		return nil, fmt.Errorf("asking the gateway: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	req.Header.Set("Accept", "application/json")
	if c.agent != "" {
		req.Header.Set("User-Agent", c.agent)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// unreached says why no answer came. A context that ended is told as it is.
func (c *Client) unreached(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("asking the gateway: %w", ctx.Err())
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) { // its text repeats the address
		err = wrapped.Err
	}
	return fmt.Errorf("%w at %s: %w (ASHBRIDGE_API_URL or --api-url says where it is)", ErrUnreachable, c.base, err)
}

// Page is some of a list.
type Page[T any] struct {
	// Items are decoded, Raw as the gateway wrote them, in the same order.
	Items []T
	Raw   []json.RawMessage
	// Next continues the list; empty at its end.
	Next string
}

// List reads the entries that the answers to path have under name, page after page, until there are most of them; all
// where most is 0. query may be nil.
func List[T any](ctx context.Context, c *Client, path, name string, query url.Values, most int) (Page[T], error) {
	var all Page[T]
	q := url.Values{}
	for k, v := range query {
		q[k] = v
	}
	for {
		size := pageSize
		if most > 0 {
			size = min(size, most-len(all.Raw))
		}
		q.Set("limit", strconv.Itoa(size))
		var page map[string]json.RawMessage
		if _, err := c.Call(ctx, http.MethodGet, path+"?"+q.Encode(), nil, &page); err != nil {
			return Page[T]{}, err
		}
		var raw []json.RawMessage
		if err := json.Unmarshal(page[name], &raw); err != nil {
			return Page[T]{}, fmt.Errorf("reading %s in the gateway's answer to GET %s: %w", name, path, err)
		}
		for _, one := range raw {
			var v T
			if err := json.Unmarshal(one, &v); err != nil {
				return Page[T]{}, fmt.Errorf("reading the gateway's answer to GET %s: %w", path, err)
			}
			all.Items, all.Raw = append(all.Items, v), append(all.Raw, one)
		}
		all.Next = ""
		if next := page["next_cursor"]; next != nil {
			if err := json.Unmarshal(next, &all.Next); err != nil {
				return Page[T]{}, fmt.Errorf("reading next_cursor in the gateway's answer to GET %s: %w", path, err)
			}
		}
		// A page without entries ends the list too, else a gateway that errs would keep this going for ever.
		if all.Next == "" || len(raw) == 0 || most > 0 && len(all.Raw) >= most {
			return all, nil
		}
		q.Set("cursor", all.Next)
	}
}
