package ashbytest

import (
	"time"
)

// The statuses of postings and jobs.
const (
	StatusDraft     = "Draft"
	StatusPublished = "Published"
	JobDraft        = "Draft"
	JobOpen         = "Open"
	JobClosed       = "Closed"
	JobArchived     = "Archived"
)

// posting is a job posting as the organisation keeps it. Names of places and departments are looked up when it is
// shown: renaming one changes what its postings say, without touching their updatedAt.
type posting struct {
	id, jobID, title string
	published        bool
	listed           bool
	internal         bool
	board            string // empty for the primary board, external or internal
	departmentID     string
	locationID       string
	secondary        []string
	workplaceType    string
	employmentType   string
	publishedOn      string
	deadline         *time.Time
	updated          time.Time
	opening, body    *richText
	closing          *richText
	social           *string
	pay              compensation
	showPay          bool
	jobURL, applyURL string // as imported; empty means made from the slug and the id
	remote           *bool  // as imported; nil means that it follows from workplace type and location
}

type richText struct {
	HTML  string `json:"html"`
	Plain string `json:"plain"`
}

func (p *posting) status() string {
	if p.published {
		return StatusPublished
	}
	return StatusDraft
}

// html is the whole text, as applicants see it.
func (p *posting) html() string {
	return joinParts(p, func(t *richText) string { return t.HTML }, "")
}

func (p *posting) plain() string {
	return joinParts(p, func(t *richText) string { return t.Plain }, "\n\n")
}

func joinParts(p *posting, side func(*richText) string, between string) string {
	var out string
	for _, part := range []*richText{p.opening, p.body, p.closing} {
		if part == nil {
			continue
		}
		if out != "" {
			out += between
		}
		out += side(part)
	}
	return out
}

// PostingState is the truth about a posting, for tests to compare with.
type PostingState struct {
	ID, JobID, Title string
	// Status is Draft or Published.
	Status   string
	Listed   bool
	Internal bool
	// Board is the id of the board that it stands on.
	Board string
	// JobStatus and Confidential are the job's.
	JobStatus       string
	Confidential    bool
	DescriptionHTML string
	LocationName    string
	TeamName        string
	// DepartmentName is the topmost department's, the team's own where it has no parent.
	DepartmentName string
	// Places has the primary location first.
	Places    []Place
	UpdatedAt time.Time
}

// Public says whether a job board may show the posting: published, listed, on an external board, its job neither
// confidential nor a draft.
func (p PostingState) Public() bool {
	return p.Status == StatusPublished && p.Listed && !p.Internal && !p.Confidential && p.JobStatus != JobDraft
}

// Postings gives all postings that are not deleted, in the order in which they were made.
func (o *Organization) Postings() []PostingState {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	out := make([]PostingState, 0, len(o.order))
	for _, p := range o.order {
		out = append(out, o.stateOf(p))
	}
	return out
}

// Posting gives one posting; false when there is none of that id.
func (o *Organization) Posting(id string) (PostingState, bool) {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	p, ok := o.postings[id]
	if !ok {
		return PostingState{}, false
	}
	return o.stateOf(p), true
}

func (o *Organization) stateOf(p *posting) PostingState {
	state := PostingState{
		ID: p.id, JobID: p.jobID, Title: p.title, Status: p.status(), Listed: p.listed, Internal: p.internal, Board: o.boardOf(p),
		DescriptionHTML: p.html(), LocationName: o.nameOf(&o.locations, p.locationID),
		TeamName: o.nameOf(&o.departments, p.departmentID), Places: o.places(p), UpdatedAt: p.updated,
	}
	state.DepartmentName, _, _ = o.departmentPath(p.departmentID)
	if job, ok := o.jobs.get(p.jobID); ok {
		state.JobStatus, state.Confidential = job.text("status"), job.flag("confidential")
	}
	return state
}

func (o *Organization) nameOf(t *table, id string) string {
	r, ok := t.get(id)
	if !ok {
		return ""
	}
	return r.text("name")
}

// Locations gives the ids and names of the locations.
func (o *Organization) Locations() map[string]string { return o.names(&o.locations) }

// Departments gives the ids and names of the departments and teams.
func (o *Organization) Departments() map[string]string { return o.names(&o.departments) }

func (o *Organization) names(t *table) map[string]string {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	out := make(map[string]string, len(t.rows))
	for _, r := range t.rows {
		out[r.id] = r.text("name")
	}
	return out
}
