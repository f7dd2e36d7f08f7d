package ashbytest

import (
	"slices"
	"strings"
	"time"
)

// FaultKind names a way in which Ashby may fail.
type FaultKind int

// The kinds of faults.
const (
	// FaultStatus answers Status (500 when zero) with plain text.
	FaultStatus FaultKind = iota + 1
	// Fault429 answers 429, with Retry-After when RetryAfter is set, and as a partner-wide limit when Partner is.
	Fault429
	// FaultTruncated cuts the connection in the middle of a good answer.
	FaultTruncated
	// FaultHTML answers 200 with an HTML page.
	FaultHTML
	// FaultErrorEnvelopeA answers 200 with success false and errorInfo, code Code.
	FaultErrorEnvelopeA
	// FaultErrorEnvelopeB answers 200 with success false and errors as objects, without errorInfo.
	FaultErrorEnvelopeB
	// FaultErrorEnvelopeC answers 200 with success false, errors null and errorInfo null.
	FaultErrorEnvelopeC
	// FaultTimeout never answers; the request ends when the client leaves or the simulator closes.
	FaultTimeout
	// FaultEmptyList answers a list as if nothing existed. It touches lists alone.
	FaultEmptyList
	// FaultShrunkList leaves only the fraction Keep of a list's rows. It touches lists alone.
	FaultShrunkList
	// FaultDuplicateRows repeats each row of a list. It touches lists alone.
	FaultDuplicateRows
	// FaultForbiddenPlain answers 403 in plain text, as a revoked key gets.
	FaultForbiddenPlain
	// FaultWrongContentType sends the right answer as text/plain.
	FaultWrongContentType
	// FaultRestartCode refuses a cursor or sync token with Code (sync_token_expired when empty). It touches only requests
	// that carry one.
	FaultRestartCode
	// FaultNoSuccessField answers 200 with JSON that is no envelope.
	FaultNoSuccessField
)

// Fault is a switch that makes requests fail.
type Fault struct {
	// Method limits it to one endpoint, such as "jobPosting.list"; empty means all.
	Method string
	// Org limits it to keys of the organisation with that slug; empty means all.
	Org  string
	Kind FaultKind
	// Count is how many requests it touches; zero means until ClearFaults.
	Count int
	// Status is for FaultStatus.
	Status int
	// RetryAfter and Partner are for Fault429; RetryAfter is rounded up to whole seconds, and zero sends no header.
	RetryAfter time.Duration
	Partner    bool
	// Keep is for FaultShrunkList, from 0 to 1.
	Keep float64
	// Code is for FaultErrorEnvelopeA, FaultErrorEnvelopeB and FaultRestartCode.
	Code string
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
		if !f.fits(c) {
			continue
		}
		taken := *f
		s.taken[f.Kind]++
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

func (f *Fault) fits(c *call) bool {
	if f.Method != "" && f.Method != c.method {
		return false
	}
	if f.Org != "" && f.Org != c.orgSlug() {
		return false
	}
	switch f.Kind {
	case FaultEmptyList, FaultShrunkList, FaultDuplicateRows:
		return strings.HasSuffix(c.method, ".list")
	case FaultRestartCode:
		return c.params.text("cursor") != "" || c.params.text("syncToken") != ""
	default:
		return true
	}
}
