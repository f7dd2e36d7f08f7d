package ashbytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Load gives a simulator without organisations the state that Save wrote, the seed included: it answers as the saved one
// would have, and sync tokens of before stay valid. On an error nothing has changed; a snapshot that is damaged, or of
// another version of this program, is one.
//
// The saved simulator may have run on after Save and been lost with what it did then. Sync tokens and cursors of that
// time are refused as invalid, since the changes that they count are not here.
func (s *Simulator) Load(r io.Reader) error {
	if err := s.load(r); err != nil {
		return fmt.Errorf("loading a saved simulator: %w", err)
	}
	return nil
}

func (s *Simulator) load(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	saved, err := readSnapshot(raw)
	if err != nil {
		return err
	}
	orgs, keys := make(map[string]*Organization), make(map[string]*apiKey)
	for _, from := range saved.Organizations {
		o, err := s.restored(from, keys)
		if err != nil {
			return fmt.Errorf("organisation %q: %w", from.Slug, err)
		}
		if _, twice := orgs[o.slug]; twice {
			return fmt.Errorf("organisation %q: %w", o.slug, errTwice)
		}
		orgs[o.slug] = o
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.orgs) > 0 {
		return errors.New("there are organisations already")
	}
	s.opts.Seed, s.served, s.failures = saved.Seed, saved.Served, saved.Failures
	copy(s.instance[:], saved.Instance)
	s.orgs, s.keys = orgs, keys
	return nil
}

var errTwice = errors.New("it is there twice")

// readSnapshot decodes strictly, and looks at the version before the rest.
func readSnapshot(raw []byte) (snapshot, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return snapshot{}, err
	}
	if head.Version < oldestSnapshot || head.Version > snapshotVersion {
		return snapshot{}, fmt.Errorf("it is of version %d, not %d", head.Version, snapshotVersion)
	}
	var saved snapshot
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // pay is kept literally
	dec.DisallowUnknownFields()
	if err := dec.Decode(&saved); err != nil {
		return snapshot{}, err
	}
	if len(saved.Instance) != instanceSize {
		return snapshot{}, fmt.Errorf("its instance has %d bytes, not %d", len(saved.Instance), instanceSize)
	}
	return saved, nil
}

// restored makes an organisation that is not yet the simulator's, and adds its keys.
func (s *Simulator) restored(from savedOrganization, keys map[string]*apiKey) (*Organization, error) {
	o := &Organization{
		sim: s, slug: from.Slug, name: from.Name, id: from.ID, board: from.Board, intranet: from.Intranet,
		rev: from.Rev, lost: from.Lost, tokensFrom: from.TokensFrom, resumed: true, last: from.Last,
		keyCount: from.KeyCount, created: from.Created, home: from.Home,
		tables: make(map[string]*table), postings: make(map[string]*posting, len(from.Postings)), byJob: make(map[string][]*posting),
		hooksMade: from.HooksMade, muted: from.Muted, frozen: from.Frozen, shuffle: from.Shuffle, copies: from.Copies,
	}
	if o.slug == "" || o.id == "" {
		return nil, errNoID
	}
	if err := errors.Join(
		o.jobs.restore(from.Jobs, o.rev), o.locations.restore(from.Locations, o.rev), o.departments.restore(from.Departments, o.rev),
	); err != nil {
		return nil, err
	}
	for name, saved := range from.Tables {
		if s.catalogue.by[name] == nil {
			return nil, fmt.Errorf("there is no kind %q", name)
		}
		t := o.table(name)
		if err := t.restore(saved.Rows, o.rev); err != nil {
			return nil, err
		}
		t.made, t.whole = saved.Made, make(map[string]bool)
		for _, parent := range saved.Whole {
			t.whole[parent] = true
		}
	}
	for _, p := range from.Postings {
		if p.ID == "" {
			return nil, fmt.Errorf("posting %q: %w", p.Title, errNoID)
		}
		if _, twice := o.postings[p.ID]; twice {
			return nil, fmt.Errorf("posting %s: %w", p.ID, errTwice)
		}
		o.addPosting(p.posting())
	}
	for _, b := range from.Boards {
		o.boards = append(o.boards, board{id: b.ID, title: b.Title, internal: b.Internal})
	}
	for _, k := range from.Keys {
		if k.Value == "" {
			return nil, fmt.Errorf("key %q: %w", k.Title, errNoID)
		}
		if _, twice := keys[k.Value]; twice {
			return nil, fmt.Errorf("key %q: %w", k.Title, errTwice)
		}
		keys[k.Value] = &apiKey{
			org: o, value: k.Value, title: k.Title, scopes: k.Scopes, confidential: k.Confidential, revoked: k.Revoked,
			createdAt: k.CreatedAt, windowEnd: k.WindowEnd, used: k.Used,
		}
	}
	for _, w := range from.Webhooks {
		if w.ID == "" { // of a snapshot of version 1
			w.ID = o.nextWebhookID()
		}
		o.webhooks = append(o.webhooks, &webhook{id: w.ID, action: w.Action, url: w.URL, secret: w.Secret, enabled: w.Enabled})
	}
	return o, nil
}

// restore fills an empty table. Listings are searched by seq, and tokens compare rev with the organisation's, so that
// both must be in order.
func (t *table) restore(rows []savedRecord, newest int64) error {
	var before int64
	for _, row := range rows {
		id, _ := row.Body["id"].(string)
		if row.Body == nil && t.make != nil {
			id = row.ID
		}
		switch _, twice := t.byID[id]; {
		case id == "":
			return fmt.Errorf("record %d: %w", row.Seq, errNoID)
		case twice:
			return fmt.Errorf("record %s: %w", id, errTwice)
		case row.Seq <= before || row.Rev < row.Seq || row.Rev > newest:
			return fmt.Errorf("record %s: its revisions are out of order", id)
		}
		t.add(&record{id: id, of: row.Of, n: row.N, body: row.Body, seq: row.Seq, rev: row.Rev})
		before = row.Seq
	}
	return nil
}
