package ashbytest

import (
	"slices"
	"strings"
	"time"
)

// Fault is a switch that makes requests fail.
type Fault struct {
	// Name is that of the fault in Faults; empty for one made by hand.
	Name string
	// Method limits it to one endpoint, such as "jobPosting.list"; empty means all.
	Method string
	// Org limits it to keys of the organisation with that slug; empty means all.
	Org  string
	Kind FaultKind
	// Count is how many requests it touches; zero means until ClearFaults.
	Count int
	// ID limits it to the object of that id, or to the listing of that parent's children; empty means all.
	ID string
	// Page limits it to the n-th page of listings, from 1; zero means all.
	Page int
	// Status is for FaultStatus.
	Status int
	// RetryAfter and Partner are for Fault429, RetryAfter for FaultStatus too; it is rounded up to whole seconds, and zero
	// sends no header.
	RetryAfter time.Duration
	Partner    bool
	// Keep is for FaultShrunkList, from 0 to 1.
	Keep float64
	// Code is for FaultErrorEnvelopeA, FaultErrorEnvelopeB and FaultRestartCode.
	Code string
	// Form is for FaultMissingPermission; FormAlternating is FormA there.
	Form ErrorForm
	// Field is the member of a row that FaultUnknownEnum, FaultNullFields and FaultBadRow touch.
	Field string
	// Until is for FaultLate; nil waits for the client or the simulator to end. It has no name, as only a test can close it.
	Until <-chan struct{}
}

// Inject switches a fault on. Of several that fit a request, the one injected first is taken.
func (s *Simulator) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFaults switches all faults off.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// ActiveFaults gives the faults that are switched on, with the counts that are left.
func (s *Simulator) ActiveFaults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Fault, 0, len(s.faults))
	for _, f := range s.faults {
		out = append(out, *f)
	}
	return out
}

// FaultsTaken says how many requests a kind of fault has touched so far; ClearFaults does not set it back. A fault that
// was never taken proves nothing.
func (s *Simulator) FaultsTaken(kind FaultKind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken[kind]
}

// takeFault finds the fault for a request and counts it off.
func (s *Simulator) takeFault(c *call) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !s.fits(f, c) {
			continue
		}
		taken := *f
		s.taken[f.Kind]++
		if f.Name != "" {
			s.takenNames[f.Name]++
		}
		if f.Count > 0 {
			f.Count--
			if f.Count == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return &taken
	}
	return nil
}

func (s *Simulator) fits(f *Fault, c *call) bool {
	cursor, token := c.params.text("cursor"), c.params.text("syncToken")
	switch {
	case f.Method != "" && f.Method != c.method,
		f.Org != "" && f.Org != c.orgSlug(),
		f.ID != "" && f.ID != c.params.objectID(),
		f.Page != 0 && f.Page != s.pageOf(c):
		return false
	}
	if strict, only := onlyLists[f.Kind]; only && !strings.Contains(c.method, ".list") && (strict || f.Method == "") {
		return false
	}
	takes := s.routes[c.method].params
	switch f.Kind {
	case FaultRestartCode:
		return cursor != "" || token != ""
	case FaultMovedRow, FaultRepeatedRow:
		return s.pageOf(c) > 1
	case FaultCursorLoop:
		return takes["cursor"] != nil
	case FaultFreshToken, FaultNoToken:
		return takes["syncToken"] != nil
	default:
		return true
	}
}

// pageOf is the number of the page of a listing that a request asks for, from 1.
func (s *Simulator) pageOf(c *call) int {
	cursor := c.params.text("cursor")
	if cursor == "" || cursor == "start" {
		return 1
	}
	at, _ := s.decode(cursor)
	return max(2, int(at.page)) // cursors of an older snapshot do not say
}
