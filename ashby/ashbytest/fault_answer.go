package ashbytest

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// breakdown answers in place of the endpoint; false when the fault only bends the endpoint's own answer.
func (s *Simulator) breakdown(c *call, f *Fault) bool {
	code := f.Code
	switch f.Kind {
	case FaultStatus:
		status := f.Status
		if status == 0 {
			status = http.StatusInternalServerError
		}
		c.plain(status, http.StatusText(status))
	case Fault429:
		s.throttle(c, f.RetryAfter, f.Partner)
	case FaultHTML:
		c.write(http.StatusOK, "text/html; charset=utf-8", []byte("<!doctype html><title>Ashby</title><p>We will be back soon."))
	case FaultErrorEnvelopeA, FaultErrorEnvelopeB:
		if code == "" {
			code = "generic_internal_error"
		}
		form := FormA
		if f.Kind == FaultErrorEnvelopeB {
			form = FormB
		}
		c.failAs(form, http.StatusOK, failure{code: code, message: "Something went wrong."})
	case FaultErrorEnvelopeC:
		c.json(http.StatusOK, map[string]any{"success": false, "errors": nil, "errorInfo": nil})
	case FaultTimeout:
		select {
		case <-c.r.Context().Done():
		case <-s.lifetime.Done():
		}
		panic(http.ErrAbortHandler) // the documented way to end a connection without an answer
	case FaultForbiddenPlain:
		c.plain(http.StatusForbidden, "Forbidden")
	case FaultRestartCode:
		if code == "" {
			code = "sync_token_expired"
		}
		s.fail(c, http.StatusOK, failure{code: code, message: "Start a full sync."})
	case FaultNoSuccessField:
		c.json(http.StatusOK, map[string]any{"status": "ok"})
	default:
		return false
	}
	return true
}

// bend changes the rows of an answer.
func (f *Fault) bend(r result) result {
	switch f.Kind {
	case FaultEmptyList:
		r.rows, r.next = []any{}, ""
	case FaultShrunkList:
		r.rows = r.rows[:int(float64(len(r.rows))*min(1, max(0, f.Keep)))]
	case FaultDuplicateRows:
		twice := make([]any, 0, 2*len(r.rows))
		for _, row := range r.rows {
			twice = append(twice, row, row)
		}
		r.rows = twice
	}
	return r
}

// deliverFaulty sends a good answer badly.
func (c *call) deliverFaulty(f *Fault, body any) {
	switch f.Kind {
	case FaultTruncated:
		encoded, err := json.Marshal(body)
		if err != nil {
			c.plain(http.StatusInternalServerError, "Internal Server Error")
			return
		}
		c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
		c.w.Header().Set("Content-Length", strconv.Itoa(len(encoded)))
		c.w.WriteHeader(http.StatusOK)
		_, _ = c.w.Write(encoded[:len(encoded)/2])
		if flusher, ok := c.w.(http.Flusher); ok {
			flusher.Flush()
		}
		panic(http.ErrAbortHandler) // the documented way to cut a connection
	case FaultWrongContentType:
		encoded, err := json.Marshal(body)
		if err != nil {
			c.plain(http.StatusInternalServerError, "Internal Server Error")
			return
		}
		c.write(http.StatusOK, "text/plain; charset=utf-8", encoded)
	default:
		c.json(http.StatusOK, body)
	}
}
