package ashbytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// controlPath is where the simulator itself is looked at and changed. No path of Ashby's begins so.
const controlPath = "/_sim/"

// control answers a request to the control path. It takes JSON alone, declared as such, which no page in a browser can
// send to another site without being asked.
func (s *Simulator) control(w http.ResponseWriter, r *http.Request) {
	handle, known := s.controls()[r.Method+" "+strings.TrimPrefix(r.URL.Path, controlPath)]
	if !known {
		controlAnswer(w, http.StatusNotFound, map[string]any{"error": "there is nothing at " + r.Method + " " + r.URL.Path})
		return
	}
	answer, err := handle(r)
	switch {
	case errors.Is(err, errNotDone):
		controlAnswer(w, http.StatusConflict, map[string]any{"error": err.Error()})
	case err != nil:
		controlAnswer(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
	default:
		controlAnswer(w, http.StatusOK, answer)
	}
}

// errNotDone means that a request was understood, and could not be done to what there is.
var errNotDone = errors.New("it was not done")

// controls is the table of the control path.
func (s *Simulator) controls() map[string]func(*http.Request) (any, error) {
	return map[string]func(*http.Request) (any, error){
		"GET faults":    func(*http.Request) (any, error) { return s.faultReport(), nil },
		"POST faults":   s.controlFault,
		"DELETE faults": func(*http.Request) (any, error) { s.ClearFaults(); return s.faultReport(), nil },
		"GET state":     func(*http.Request) (any, error) { return s.stateReport(), nil },
		"POST edit":     s.controlEdit,
		"POST webhooks": s.controlWebhooks,
		"GET requests":  s.controlRequests,
	}
}

func controlAnswer(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer could not be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that left needs no answer
}

// readControl decodes the body of a request, strictly.
func readControl(r *http.Request, into any) error {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return errors.New("the Content-Type header must be application/json")
	}
	dec := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	return nil
}

// organization finds an employer; without a slug, the only one that there is.
func (s *Simulator) organization(slug string) (*Organization, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slug == "" && len(s.orgs) == 1 {
		for _, o := range s.orgs {
			return o, nil
		}
	}
	if o, ok := s.orgs[slug]; ok {
		return o, nil
	}
	return nil, fmt.Errorf("there is no organisation %q", slug)
}

// controlRequests gives the log of requests, from a time on.
func (s *Simulator) controlRequests(r *http.Request) (any, error) {
	var since time.Time
	if text := r.URL.Query().Get("since"); text != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, fmt.Errorf("reading since: %w", err)
		}
	}
	out := []any{}
	for _, q := range s.Requests() {
		if !q.At.Before(since) {
			out = append(out, map[string]any{
				"org": q.Org, "key": q.Key, "method": q.Method, "id": q.ID, "at": q.At.UTC().Format(time.RFC3339Nano), "status": q.Status,
			})
		}
	}
	return map[string]any{"requests": out}, nil
}
