package ashbytest

import (
	"net/http"
	"strings"
	"time"
)

// call is one request on its way.
type call struct {
	sim    *Simulator
	method string // Ashby's name of the endpoint
	key    string
	access *apiKey
	params params
	at     time.Time
	w      http.ResponseWriter
	r      *http.Request
	fault  *Fault // nil for most
	status int
	id     string // request id

	recorded bool // guarded by mu
}

func (c *call) orgSlug() string {
	if c.access == nil {
		return ""
	}
	return c.access.org.slug
}

// ServeHTTP answers one request as api.ashbyhq.com would, and the control path where that is on.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.opts.Control && strings.HasPrefix(r.URL.Path, controlPath) {
		s.control(w, r)
		return
	}
	c := &call{sim: s, method: strings.TrimPrefix(r.URL.Path, "/"), w: w, r: r, at: s.opts.Now()}
	s.mu.Lock()
	s.served++
	c.id = ulid(c.at.UnixMilli(), s.served)
	s.mu.Unlock()
	w.Header().Set("x-ashby-request-id", c.id)
	w.Header().Set("Ashby-Version", apiVersion)
	w.Header().Set("Ashby-Version-Status", "active")
	defer s.record(c)
	if s.pause(c) {
		s.answer(c)
	}
}

// pause waits for the latency; false when the client left meanwhile.
func (s *Simulator) pause(c *call) bool {
	if s.opts.Latency <= 0 {
		return true
	}
	timer := time.NewTimer(s.opts.Latency)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.r.Context().Done():
		return false
	}
}

// record writes the request into the log, once: before a good answer leaves, so that whoever has read it finds the request
// in the log, or when there was none.
func (s *Simulator) record(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.recorded {
		return
	}
	c.recorded = true
	s.requests.add(Request{
		Org: c.orgSlug(), Key: last4(c.key), Method: c.method, ID: c.params.objectID(), At: c.at, Status: c.status,
	})
}

// answer runs the checks in Ashby's order: route, key, limit, permission, input.
func (s *Simulator) answer(c *call) {
	route, known := s.routes[c.method]
	switch {
	case !known:
		c.plain(http.StatusNotFound, "Not Found")
		return
	case c.r.Method != http.MethodPost:
		c.w.Header().Set("Allow", http.MethodPost)
		c.plain(http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	case !s.authenticate(c):
		return
	}
	faulty := c.read() // faults look at the parameters
	fault := s.takeFault(c)
	c.fault = fault
	if fault != nil && s.breakdown(c, fault) {
		return
	}
	if !s.withinLimit(c) {
		return
	}
	if !s.permitted(c, route.scope) {
		s.fail(c, http.StatusForbidden, missingPermission(c.method))
		return
	}
	if faulty == nil {
		faulty = route.check(c)
	}
	if faulty != nil {
		s.fail(c, http.StatusOK, *faulty)
		return
	}
	result, faulty := s.run(route, c)
	if faulty != nil {
		s.fail(c, http.StatusOK, *faulty)
		return
	}
	s.succeed(c, result, fault)
}

func (s *Simulator) run(route endpoint, c *call) (result, *failure) {
	if route.act != nil {
		return route.act(c.access.org, c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return route.run(c.access.org, c)
}

// authenticate finds the key: none is 401, an unknown or disabled one 403, both in plain text.
func (s *Simulator) authenticate(c *call) bool {
	user, password, ok := c.r.BasicAuth()
	if !ok || user == "" {
		c.plain(http.StatusUnauthorized, "Unauthorized: no API key was sent.")
		return false
	}
	c.key = user
	s.mu.Lock()
	access := s.keys[user]
	refused := access == nil || access.revoked || password != ""
	s.mu.Unlock()
	if refused {
		c.plain(http.StatusForbidden, "Forbidden: this API key is not valid or has been deactivated.")
		return false
	}
	c.access = access
	return true
}

func (s *Simulator) permitted(c *call, scope string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, granted := range c.access.scopes {
		if granted == scope {
			return true
		}
	}
	return false
}
