package ashbytest

import (
	"slices"
	"time"
)

// Organization is one employer's Ashby account.
type Organization struct {
	sim      *Simulator
	slug     string
	name     string
	id       string
	board    string // id of the primary external job board
	intranet string // id of the primary internal job board

	// All that follows is guarded by sim.mu.
	rev         int64 // rises with every change; sync tokens are revisions
	lost        []revisions
	tokensFrom  int64 // tokens and cursors of passes that began before have expired
	resumed     bool  // loaded, and not changed since
	last        time.Time
	keyCount    int
	created     int // postings generated so far, which numbers the next
	home        int // public postings at the first ChurnOnce
	jobs        table
	locations   table
	departments table
	tables      map[string]*table // of all other kinds
	postings    map[string]*posting
	order       []*posting
	byJob       map[string][]*posting
	boards      []board // further ones
	webhooks    []*webhook
	hooksMade   int // webhook settings made so far, which numbers the next
	muted       bool
	frozen      bool
	shuffle     time.Duration
	copies      int
}

// AddOrganization makes an employer without jobs, or returns the one that has the slug already.
func (s *Simulator) AddOrganization(slug, name string) *Organization {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.orgs[slug]; ok {
		return o
	}
	o := &Organization{
		sim: s, slug: slug, name: name,
		id:       stableID(s.opts.Seed, slug, "organization", 0),
		board:    stableID(s.opts.Seed, slug, "board", 0),
		intranet: stableID(s.opts.Seed, slug, "board", 1),
		tables:   make(map[string]*table), postings: make(map[string]*posting), byJob: make(map[string][]*posting),
	}
	s.orgs[slug] = o
	return o
}

// Slug is the last part of the employer's page at jobs.ashbyhq.com.
func (o *Organization) Slug() string { return o.slug }

// Name is the employer's name.
func (o *Organization) Name() string { return o.name }

// ExternalBoard is the id of the employer's primary external job board.
func (o *Organization) ExternalBoard() string { return o.board }

// InternalBoard is the id of the job board that only employees see.
func (o *Organization) InternalBoard() string { return o.intranet }

// stamp gives the time of a change: now in milliseconds, and always later than the change before, so that updatedAt
// tells any two states apart.
func (o *Organization) stamp() time.Time {
	now := o.sim.opts.Now().UTC().Truncate(time.Millisecond)
	if !now.After(o.last) {
		now = o.last.Add(time.Millisecond)
	}
	o.last = now
	return now
}

// revisions is a span of revision numbers, From not in it.
type revisions struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// lostRevisions is more than a simulator can have run on between Save and its end.
const lostRevisions = 1 << 32

// nextRev numbers a change. The first one after Load leaves out the numbers that the saved simulator may have given after
// Save.
func (o *Organization) nextRev() int64 {
	if o.resumed {
		o.resumed = false
		o.lost = append(o.lost, revisions{From: o.rev, To: o.rev + lostRevisions})
		o.rev += lostRevisions
	}
	o.rev++
	return o.rev
}

// remembers says whether the organisation is still the one that it was at a revision, changed at most since.
func (o *Organization) remembers(rev int64) bool {
	return rev <= o.rev && !slices.ContainsFunc(o.lost, func(l revisions) bool { return l.From < rev && rev <= l.To })
}
