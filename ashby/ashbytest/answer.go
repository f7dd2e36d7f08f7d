package ashbytest

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// apiVersion is the one version that Ashby lists.
const apiVersion = "2026-01-01"

// ErrorForm is one of the shapes in which Ashby reports errors.
type ErrorForm int

// The forms of errors.
const (
	// FormA has errors as codes and errorInfo with code and message.
	FormA ErrorForm = iota
	// FormB has errors as objects with a message, and no errorInfo; the code stands in the message.
	FormB
	// FormAlternating takes turns.
	FormAlternating
)

// failure is an error envelope before it has a form.
type failure struct {
	code      string
	message   string
	parameter string
}

// result is the good part of an answer.
type result struct {
	rows  []any // of a list
	one   any   // of everything else
	paged bool
	next  string
	token string

	// For faults alone: the row before the first, the cursor behind the last, and the token that the last page would have.
	before     any
	here, ends string
}

func (c *call) plain(status int, text string) {
	c.write(status, "text/plain; charset=utf-8", []byte(text))
}

func (c *call) write(status int, contentType string, body []byte) {
	c.status = status
	c.sim.record(c)
	c.w.Header().Set("Content-Type", contentType)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // a client that left needs no answer
}

func (c *call) json(status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		c.plain(http.StatusInternalServerError, "Internal Server Error")
		return
	}
	c.write(status, "application/json; charset=utf-8", body)
}

// fail answers with an error envelope in the form that is set.
func (s *Simulator) fail(c *call, status int, f failure) {
	form := s.opts.ErrorForm
	if form == FormAlternating {
		s.mu.Lock()
		form = ErrorForm(s.failures % 2)
		s.failures++
		s.mu.Unlock()
	}
	c.failAs(form, status, f)
}

func (c *call) failAs(form ErrorForm, status int, f failure) {
	if form == FormB {
		entry := map[string]any{"message": f.code}
		if f.parameter != "" {
			entry["message"], entry["parameter"] = f.message, f.parameter
		}
		c.json(status, map[string]any{"success": false, "errors": []any{entry}})
		return
	}
	c.json(status, map[string]any{
		"success": false, "errors": []string{f.code},
		"errorInfo": map[string]any{"code": f.code, "message": f.message, "requestId": c.id},
	})
}

// succeed answers with the result, after the fault, if any, has had its way with it.
func (s *Simulator) succeed(c *call, r result, fault *Fault) {
	if fault != nil {
		r = fault.bend(c, r)
	}
	body := map[string]any{"success": true}
	if r.rows == nil {
		body["results"] = r.one
	} else {
		body["results"] = r.rows
	}
	if r.paged {
		body["moreDataAvailable"] = r.next != ""
		if r.next != "" {
			body["nextCursor"] = r.next
		} else if r.token != "" {
			body["syncToken"] = r.token
		}
	}
	if fault != nil && fault.Kind == FaultUnknownFields {
		body["brandNewMember"] = []any{}
	}
	if fault == nil {
		c.json(http.StatusOK, body)
		return
	}
	s.deliverFaulty(c, fault, body)
}
