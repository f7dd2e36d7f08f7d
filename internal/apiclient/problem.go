package apiclient

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// problemPrefix begins the types of the gateway's problems.
const problemPrefix = "urn:ashbridge:problem:"

// Problem is an answer that is no success, as RFC 9457 has it.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says in a sentence what to do.
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
	Errors    []struct {
		Field  string `json:"field"`
		Detail string `json:"detail"`
	} `json:"errors"`
	// Report is what was found about a key that was refused.
	Report      *Report  `json:"report"`
	Connections []string `json:"connections"`
	Kinds       []string `json:"kinds"`
	Versions    *struct {
		Oldest int64 `json:"oldest"`
		Newest int64 `json:"newest"`
	} `json:"versions"`
	Steps []string `json:"steps"`

	// RetryAfter is how many seconds the gateway asks to wait, as it wrote them; empty where it does not.
	RetryAfter string `json:"-"`
	// Raw is the document as the gateway wrote it; nil for an answer that is no problem of its.
	Raw  json.RawMessage `json:"-"`
	what string
}

// Name is the type without what all types of the gateway begin with; empty for an answer that is no problem of its.
func (p *Problem) Name() string {
	name, ok := strings.CutPrefix(p.Type, problemPrefix)
	if !ok {
		return ""
	}
	return name
}

// Error says what was refused and what to do, on several lines where there is more to say.
func (p *Problem) Error() string {
	if p.Name() == "" {
		return fmt.Sprintf("%s was answered with %d %s: is it Ashbridge's gateway?", p.what, p.Status, http.StatusText(p.Status))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%d)", p.Title, p.Status)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", cmp.Or(e.Field, "the request"), e.Detail)
	}
	if p.Report != nil {
		for _, perm := range p.Report.Permissions {
			if perm.State != "granted" && perm.Fix != "" {
				fmt.Fprintf(&b, "\n  %s, %s: %s. %s", perm.Module, perm.Access, perm.State, perm.Fix)
			}
		}
	}
	for _, c := range p.Connections {
		b.WriteString("\n  connection " + c)
	}
	if len(p.Kinds) > 0 {
		b.WriteString("\n  there are " + strings.Join(p.Kinds, ", "))
	}
	if p.Versions != nil {
		fmt.Fprintf(&b, "\n  the stream keeps versions %d to %d", p.Versions.Oldest, p.Versions.Newest)
	}
	for i, s := range p.Steps {
		fmt.Fprintf(&b, "\n  %d. %s", i+1, s)
	}
	if p.RetryAfter != "" {
		b.WriteString("\n  try again after " + p.RetryAfter + " s")
	}
	if p.RequestID != "" {
		b.WriteString("\n  request " + p.RequestID)
	}
	return b.String()
}

// problem reads an answer that is no success.
func (c *Client) problem(resp *http.Response, raw []byte) error {
	var p Problem
	if json.Unmarshal(raw, &p) != nil || p.Title == "" {
		p = Problem{}
	}
	if p.Name() != "" {
		p.Raw = raw
	}
	p.Status, p.RetryAfter = resp.StatusCode, resp.Header.Get("Retry-After")
	p.what = resp.Request.Method + " " + c.base + resp.Request.URL.Path
	return &p
}
