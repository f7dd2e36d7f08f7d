package ashbytest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// snapshotVersion rises when an older program would misread a snapshot. Those from oldestSnapshot on are read: what they
// have not, is not there, or as New makes it.
const (
	snapshotVersion = 2
	oldestSnapshot  = 1
)

// snapshot is what outlives a process.
type snapshot struct {
	Version int    `json:"version"`
	Seed    uint64 `json:"seed"`
	// Instance keeps sync tokens and cursors valid.
	Instance      []byte              `json:"instance"`
	Served        uint64              `json:"served"`
	Failures      uint64              `json:"failures"`
	Organizations []savedOrganization `json:"organizations"`
}

type savedOrganization struct {
	Slug        string        `json:"slug"`
	Name        string        `json:"name"`
	ID          string        `json:"id"`
	Board       string        `json:"board"`
	Intranet    string        `json:"intranet"`
	Rev         int64         `json:"rev"`
	Lost        []revisions   `json:"lost"`
	TokensFrom  int64         `json:"tokensFrom,omitempty"`
	Last        time.Time     `json:"last"`
	KeyCount    int           `json:"keyCount"`
	Created     int           `json:"created"`
	Home        int           `json:"home"`
	Jobs        []savedRecord `json:"jobs"`
	Locations   []savedRecord `json:"locations"`
	Departments []savedRecord `json:"departments"`
	// Tables has all other kinds.
	Tables    map[string]savedTable `json:"tables,omitempty"`
	Postings  []savedPosting        `json:"postings"`
	Keys      []savedKey            `json:"keys"`
	Webhooks  []savedWebhook        `json:"webhooks"`
	HooksMade int                   `json:"hooksMade,omitempty"`
	Boards    []savedBoard          `json:"boards,omitempty"`
	Muted     bool                  `json:"muted"`
	Frozen    bool                  `json:"frozen"`
	Shuffle   time.Duration         `json:"shuffle"`
	Copies    int                   `json:"copies"`
}

// savedTable is a table of generated records.
type savedTable struct {
	Made  int           `json:"made"`
	Whole []string      `json:"whole,omitempty"`
	Rows  []savedRecord `json:"rows"`
}

// savedRecord is a record. Its id stands in the body, or alone in a generated one that nobody has changed.
type savedRecord struct {
	Seq  int64          `json:"seq"`
	Rev  int64          `json:"rev"`
	ID   string         `json:"id,omitempty"`
	Of   string         `json:"of,omitempty"`
	N    int            `json:"n,omitempty"`
	Body map[string]any `json:"body,omitempty"`
}

type savedKey struct {
	Value        string    `json:"value"`
	Title        string    `json:"title"`
	Scopes       []string  `json:"scopes"`
	Confidential bool      `json:"confidential"`
	Revoked      bool      `json:"revoked"`
	CreatedAt    time.Time `json:"createdAt"`
	WindowEnd    time.Time `json:"windowEnd"`
	Used         int       `json:"used"`
}

type savedBoard struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Internal bool   `json:"internal"`
}

type savedWebhook struct {
	ID      string `json:"id,omitempty"`
	Action  string `json:"action"`
	URL     string `json:"url"`
	Secret  string `json:"secret"`
	Enabled bool   `json:"enabled"`
}

// Save writes the state of the simulator as JSON, for Load: all organisations with their postings, records, keys,
// webhook settings and switches. The logs, the faults, the listener of OnChange and webhooks that are on their way are
// not in it. Keys and webhook secrets are, in the clear. The same state gives the same bytes.
func (s *Simulator) Save(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // employers' texts are HTML, and would grow by a third
	if err := enc.Encode(s.snapshot()); err != nil {
		return fmt.Errorf("saving the simulator: %w", err)
	}
	return nil
}

// snapshot copies the state under the lock. What it shares with the simulator (bodies of records, pay, texts) is
// replaced there, never written to, so that it can be encoded outside.
func (s *Simulator) snapshot() snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := snapshot{
		Version: snapshotVersion, Seed: s.opts.Seed, Instance: slices.Clone(s.instance[:]), Served: s.served, Failures: s.failures,
		Organizations: make([]savedOrganization, 0, len(s.orgs)),
	}
	for _, slug := range slices.Sorted(maps.Keys(s.orgs)) {
		out.Organizations = append(out.Organizations, s.orgs[slug].saved())
	}
	return out
}

func (o *Organization) saved() savedOrganization {
	out := savedOrganization{
		Slug: o.slug, Name: o.name, ID: o.id, Board: o.board, Intranet: o.intranet,
		Rev: o.rev, Lost: slices.Clone(o.lost), TokensFrom: o.tokensFrom, Last: o.last, KeyCount: o.keyCount, Created: o.created, Home: o.home,
		Jobs: o.jobs.saved(), Locations: o.locations.saved(), Departments: o.departments.saved(),
		Tables:   make(map[string]savedTable, len(o.tables)),
		Postings: make([]savedPosting, 0, len(o.order)), Keys: []savedKey{}, Webhooks: make([]savedWebhook, 0, len(o.webhooks)),
		HooksMade: o.hooksMade, Muted: o.muted, Frozen: o.frozen, Shuffle: o.shuffle, Copies: o.copies,
	}
	for name, t := range o.tables {
		if t.made > 0 || len(t.rows) > 0 {
			out.Tables[name] = savedTable{Made: t.made, Whole: slices.Sorted(maps.Keys(t.whole)), Rows: t.saved()}
		}
	}
	for _, p := range o.order {
		out.Postings = append(out.Postings, p.saved())
	}
	for _, k := range o.sim.keys {
		if k.org == o {
			out.Keys = append(out.Keys, savedKey{
				Value: k.value, Title: k.title, Scopes: k.scopes, Confidential: k.confidential, Revoked: k.revoked,
				CreatedAt: k.createdAt, WindowEnd: k.windowEnd, Used: k.used,
			})
		}
	}
	slices.SortFunc(out.Keys, func(a, b savedKey) int { return strings.Compare(a.Value, b.Value) })
	for _, b := range o.boards {
		out.Boards = append(out.Boards, savedBoard{ID: b.id, Title: b.title, Internal: b.internal})
	}
	for _, w := range o.webhooks {
		out.Webhooks = append(out.Webhooks, savedWebhook{ID: w.id, Action: w.action, URL: w.url, Secret: w.secret, Enabled: w.enabled})
	}
	return out
}

func (t *table) saved() []savedRecord {
	out := make([]savedRecord, 0, len(t.rows))
	for _, r := range t.rows {
		row := savedRecord{Seq: r.seq, Rev: r.rev, Of: r.of, N: r.n, Body: r.body}
		if r.body == nil {
			row.ID = r.id
		}
		out = append(out, row)
	}
	return out
}
