package ashbytest

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// breakdown answers in place of the endpoint; false when the fault only bends the endpoint's own answer.
func (s *Simulator) breakdown(c *call, f *Fault) bool {
	switch f.Kind {
	case FaultStatus:
		status := f.Status
		if status == 0 {
			status = http.StatusInternalServerError
		}
		c.retryAfter(f.RetryAfter)
		c.plain(status, http.StatusText(status))
	case Fault429:
		s.throttle(c, f.RetryAfter, f.Partner)
	case FaultHTML:
		c.write(http.StatusOK, "text/html; charset=utf-8", []byte("<!doctype html><title>Ashby</title><p>We will be back soon."))
	case FaultErrorEnvelopeA:
		c.failAs(FormA, http.StatusOK, f.softly())
	case FaultErrorEnvelopeB:
		c.failAs(FormB, http.StatusOK, f.softly())
	case FaultErrorEnvelopeC:
		c.json(http.StatusOK, map[string]any{"success": false, "errors": nil, "errorInfo": nil})
	case FaultTimeout:
		s.hang(c)
	case FaultSlowBody:
		s.trickle(c)
	case FaultReset:
		c.reset()
	case FaultOversized:
		c.oversized()
	case FaultGzipBomb:
		c.w.Header().Set("Content-Encoding", "gzip")
		c.write(http.StatusOK, "application/json; charset=utf-8", bomb())
	case FaultUnauthorizedPlain:
		c.plain(http.StatusUnauthorized, "Unauthorized")
	case FaultForbiddenPlain:
		c.plain(http.StatusForbidden, "Forbidden")
	case FaultMissingPermission:
		c.failAs(f.Form, http.StatusForbidden, missingPermission(c.method))
	case FaultRestartCode:
		code := f.Code
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

// softly is the failure of an error that has the status of a success.
func (f *Fault) softly() failure {
	if f.Code == "" {
		return failure{code: "generic_internal_error", message: "Something went wrong."}
	}
	return failure{code: f.Code, message: "Something went wrong."}
}

func missingPermission(method string) failure {
	return failure{
		code: "missing_endpoint_permission", message: "This API key does not have the permission that " + method + " requires.",
	}
}

// deliverFaulty sends a good answer badly.
func (s *Simulator) deliverFaulty(c *call, f *Fault, body any) {
	switch f.Kind {
	case FaultLate:
		s.holdBack(c, f)
		c.json(http.StatusOK, body)
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
		c.flush()
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

// holdBack waits until the fault lets the answer go.
func (s *Simulator) holdBack(c *call, f *Fault) {
	s.late.Add(1)
	defer s.late.Add(-1)
	select {
	case <-f.Until:
	case <-c.r.Context().Done():
		panic(http.ErrAbortHandler)
	case <-s.lifetime.Done():
		panic(http.ErrAbortHandler)
	}
}

// LateAnswers says how many answers are made and held back by FaultLate.
func (s *Simulator) LateAnswers() int { return int(s.late.Load()) }
