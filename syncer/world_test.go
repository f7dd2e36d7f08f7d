package syncer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// world is the store in memory. It keeps the promises of the interfaces: units of work are atomic and checked against
// the lease, listings are decided by mirror.Decide, and every event is counted.
type world struct {
	mu       sync.Mutex
	conns    map[string]*account
	beats    map[string]time.Time
	runs     []mirror.Run
	parts    map[int]*partLease
	inbox    []*inboxRow
	log      []logged
	applies  []mirror.Unit
	down     bool
	noLeases bool
	statuses []mirror.Status
	// only is the one partition that there is, where a test has one connection and much time to go by.
	only *int
	// lax lets units in whose lease was lost, so that a test can see that another one notices.
	lax bool
	// tokenOfAll, where it is set, has tokens kept too early: those that a full reading would end with.
	tokenOfAll func(kind string) string
	// onApply is called before a unit is applied, without the lock; its error fails the unit.
	onApply func(u mirror.Unit) error
	// onStatus is called before a status is set, without the lock.
	onStatus func()
	// onConnection is called before a connection is read, without the lock.
	onConnection func()
}

type account struct {
	c        mirror.Connection
	sealed   mirror.Sealed
	sync     mirror.SyncState
	atAshby  int
	records  map[mirror.RecordKey]*kept
	listings map[string]mirror.Listing
	hold     *mirror.Hold
	fails    []string
	passbook
}

type kept struct {
	mirror.Record
	gone bool
}

type partLease struct {
	owner   string
	epoch   int64
	expires time.Time
}

type inboxRow struct {
	id       int64
	hint     mirror.Hint
	received time.Time
	done     bool
}

type logged struct {
	connection string
	posting    string
	typ        events.Type
	data       events.JobData
}

var errStoreDown = fmt.Errorf("store is down: %w", mirror.ErrUnavailable)

func newWorld() *world {
	return &world{conns: map[string]*account{}, parts: map[int]*partLease{}, beats: map[string]time.Time{}}
}

// connect adds a connection whose key is the text of sealed, due at once.
func (w *world) connect(id, key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[id] = &account{
		c: mirror.Connection{
			ID: id, Part: mirror.Part(id), EmployerRef: "ref-" + id, EmployerName: "Employer " + id,
			Status: mirror.StatusActive, Modules: []string{"jobs"}, PollInterval: time.Hour,
		},
		sealed: mirror.Sealed(key), sync: mirror.SyncState{NextPollAt: time.Now()},
		records: map[mirror.RecordKey]*kept{}, listings: map[string]mirror.Listing{}, passbook: newPassbook(),
	}
}

func (w *world) with(id string, f func(a *account)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w.conns[id])
}

// deliver commits a webhook.
func (w *world) deliver(h mirror.Hint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inbox = append(w.inbox, &inboxRow{id: int64(len(w.inbox) + 1), hint: h, received: time.Now()})
}

func (w *world) openRows() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, r := range w.inbox {
		if !r.done {
			n++
		}
	}
	return n
}

// events returns what was committed for a posting, or for all with an empty id.
func (w *world) events(posting string) []logged {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []logged
	for _, e := range w.log {
		if posting == "" || e.posting == posting {
			out = append(out, e)
		}
	}
	return out
}

func (w *world) closed() (ids []string) {
	for _, e := range w.events("") {
		if e.typ == events.JobClosed {
			ids = append(ids, e.posting)
		}
	}
	return ids
}

func (w *world) appliedUnits() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.applies)
}

func (w *world) setDown(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

// enter locks the world, unless it is down.
func (w *world) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	if w.down {
		w.mu.Unlock()
		return errStoreDown
	}
	return nil
}

func (w *world) Renew(ctx context.Context, owner string, ttl time.Duration) ([]mirror.Lease, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	if w.noLeases {
		return nil, errStoreDown
	}
	var held []mirror.Lease
	for part := range mirror.Partitions {
		if w.only != nil && part != *w.only {
			continue
		}
		p := w.parts[part]
		if p == nil {
			p = &partLease{}
			w.parts[part] = p
		}
		if p.owner != owner && time.Now().Before(p.expires) {
			continue
		}
		if p.owner != owner || !time.Now().Before(p.expires) {
			p.owner, p.epoch = owner, p.epoch+1
		}
		p.expires = time.Now().Add(ttl)
		held = append(held, mirror.Lease{Part: part, Owner: owner, Epoch: p.epoch})
	}
	return held, nil
}

func (w *world) Vacant(ctx context.Context) (bool, error) {
	if err := w.enter(ctx); err != nil {
		return false, err
	}
	defer w.mu.Unlock()
	for part, p := range w.parts {
		if (w.only == nil || part == *w.only) && !time.Now().Before(p.expires) {
			return true, nil
		}
	}
	return false, nil
}

func (w *world) Release(ctx context.Context, owner string) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	for _, p := range w.parts {
		if p.owner == owner {
			p.owner, p.expires = "", time.Time{}
		}
	}
	return nil
}

// steal gives a partition to someone else for ttl.
func (w *world) steal(part int, ttl time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.parts[part]
	p.owner, p.epoch, p.expires = "thief", p.epoch+1, time.Now().Add(ttl)
}

func (w *world) DuePolls(ctx context.Context, parts []int, claim time.Duration, limit int) ([]mirror.Hint, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	var due []mirror.Hint
	for _, id := range slices.Sorted(maps.Keys(w.conns)) {
		a := w.conns[id]
		pollable := a.c.Status != mirror.StatusPaused && a.c.Status != mirror.StatusRemoved
		if len(due) < limit && pollable && slices.Contains(parts, a.c.Part) && !time.Now().Before(a.sync.NextPollAt) {
			a.sync.NextPollAt = time.Now().Add(claim)
			due = append(due, mirror.Hint{Connection: id, Kind: mirror.HintPoll})
		}
	}
	return due, nil
}

func (w *world) OverdueInbox(ctx context.Context, s mirror.Sweep) ([]mirror.Hint, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	var hints []mirror.Hint
	each := map[string]int{}
	for _, r := range w.inbox {
		status := w.conns[r.hint.Connection].c.Status
		readable := status == mirror.StatusActive || status == mirror.StatusDegraded
		room := len(hints) < s.Limit && each[r.hint.Connection] < s.PerConnection
		if !r.done && readable && room && time.Since(r.received) > s.Age && slices.Contains(s.Parts, r.hint.Part()) &&
			!slices.Contains(hints, r.hint) {
			hints = append(hints, r.hint)
			each[r.hint.Connection]++
		}
	}
	return hints, nil
}

func (w *world) Connection(ctx context.Context, id string) (mirror.Connection, mirror.Sealed, error) {
	if w.onConnection != nil {
		w.onConnection()
	}
	if err := w.enter(ctx); err != nil {
		return mirror.Connection{}, nil, err
	}
	defer w.mu.Unlock()
	a := w.conns[id]
	switch {
	case a == nil:
		return mirror.Connection{}, nil, mirror.ErrNotFound
	case a.c.Status == mirror.StatusRemoved:
		return mirror.Connection{}, nil, mirror.ErrRemoved
	}
	return a.c, slices.Clone(a.sealed), nil
}

func (w *world) Heads(ctx context.Context, connection, kind string) (map[string]mirror.Head, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	heads := map[string]mirror.Head{}
	for k, r := range w.conns[connection].records {
		if k.Kind == kind {
			heads[k.ID] = mirror.Head{Hash: r.Hash, ListHash: r.ListHash, Gone: r.gone}
		}
	}
	return heads, nil
}

func (w *world) Records(ctx context.Context, connection, kind string, ids []string) ([]mirror.Record, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	var recs []mirror.Record
	for _, id := range ids {
		if r := w.conns[connection].records[mirror.RecordKey{Kind: kind, ID: id}]; r != nil && !r.gone {
			recs = append(recs, r.Record)
		}
	}
	return recs, nil
}

func (w *world) PostingsOf(ctx context.Context, connection string, jobs, locations []string) ([]string, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	var ids []string
	for k, r := range w.conns[connection].records {
		if k.Kind != string(ashby.KindPosting) || r.gone {
			continue
		}
		p, err := ashby.DecodePosting(r.Doc)
		if err != nil {
			return nil, err
		}
		at := slices.ContainsFunc(locationsOf(p), func(id string) bool { return slices.Contains(locations, id) })
		if slices.Contains(jobs, p.JobID) || at {
			ids = append(ids, k.ID)
		}
	}
	return ids, nil
}

func (w *world) Listings(ctx context.Context, connection string) (map[string]mirror.Listing, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	all := map[string]mirror.Listing{}
	for id, l := range w.conns[connection].listings {
		l.Job = nil
		all[id] = l
	}
	return all, nil
}

func (w *world) OpenInbox(ctx context.Context, connection string, kind mirror.HintKind, objects ...string) (map[string][]int64, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	open := map[string][]int64{}
	for _, r := range w.inbox {
		asked := r.hint.Kind == kind && slices.Contains(objects, r.hint.ID)
		if kind == mirror.HintPoll {
			asked = r.hint.ID == ""
		}
		if r.hint.Connection == connection && !r.done && asked {
			open[r.hint.ID] = append(open[r.hint.ID], r.id)
		}
	}
	return open, nil
}
