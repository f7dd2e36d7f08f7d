package syncer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// run is one piece of work on a connection: a poll or a refresh.
type run struct {
	access
	d      *desk
	origin events.Origin
	// translator names the translation that the connection's public jobs are made by.
	translator string
	// distrusted is a record that Ashby does not know any more, so that the stored one proves nothing.
	distrusted mirror.RecordKey
	// quarantined are the objects in quarantine, where the run has looked; retries are those to read again.
	quarantined map[mirror.RecordKey]bool
	retries     []mirror.RecordKey
	// expects is the kind whose changes a webhook should have told of.
	expects ashby.Kind
}

func (d *desk) newRun(ctx context.Context, a access, origin events.Origin) (run, error) {
	first, err := d.firstSync(ctx)
	if err != nil {
		return run{}, err
	}
	if first {
		origin = events.OriginSeed
	}
	return run{access: a, d: d, origin: origin, translator: mirror.TranslatorKey(a.connection)}, nil
}

func (r *run) isQuarantined(key mirror.RecordKey) bool { return r.quarantined[key] }

func keyFor(kind ashby.Kind, id string) mirror.RecordKey {
	return mirror.RecordKey{Kind: string(kind), ID: id}
}

// admit says whether an answer may be applied, and remembers it if so: one that was sent before the newest applied
// answer on the same object may not. The caller holds d.applying until it has applied the answer; should that fail,
// older answers stay out all the same and the object is read again.
func (d *desk) admit(k mirror.RecordKey, sentAt time.Time) bool {
	if d.s.overtaken(sentAt, d.newest[k]) {
		d.s.opts.Metrics.stale.Inc()
		return false
	}
	if d.newest == nil {
		d.newest = map[mirror.RecordKey]time.Time{}
	}
	d.newest[k] = sentAt
	return true
}

// apply commits a unit of work, unless it is empty. The caller holds d.applying.
func (r *run) apply(ctx context.Context, u mirror.Unit) error {
	applied, err := r.applyUnit(ctx, u)
	if err != nil {
		return err
	}
	r.tally.applied(applied)
	r.foundPostings(ctx, applied.Made)
	return nil
}

// applyUnit is apply without a word in the run's tally of what changed.
func (r *run) applyUnit(ctx context.Context, u mirror.Unit) (mirror.Applied, error) {
	if u.Empty() {
		return mirror.Applied{}, nil
	}
	m := r.d.mandate()
	u.Lease, u.Connection, u.Origin = m.Lease, m.Connection, r.origin
	applied, err := r.d.s.opts.Store.Apply(ctx, u)
	if err != nil {
		r.d.unknowHeads(u)
		return mirror.Applied{}, fmt.Errorf("applying: %w", err)
	}
	r.d.updateHeads(u)
	r.d.s.opts.Metrics.applied(r.connection.ID, r.origin, applied)
	if applied.Events > 0 {
		r.d.s.opts.Bus.WakeRelay()
	}
	return applied, nil
}

// answerInbox marks webhooks as answered that need nothing else.
func (r *run) answerInbox(ctx context.Context, inbox []int64) error {
	r.d.applying.Lock()
	defer r.d.applying.Unlock()
	return r.apply(ctx, mirror.Unit{InboxDone: inbox})
}

// loadHeads makes what is stored of a kind known for as long as the poll lasts, unless it is known already. The caller
// holds d.applying, so that no unit of work slips in between the reading and the knowing.
func (r *run) loadHeads(ctx context.Context, kind ashby.Kind) (map[string]mirror.Head, error) {
	if heads := r.d.heads[string(kind)]; heads != nil {
		return heads, nil
	}
	heads, err := r.d.s.opts.Store.Heads(ctx, r.connection.ID, string(kind))
	if err != nil {
		return nil, fmt.Errorf("reading %s heads: %w", kind, err)
	}
	if heads == nil {
		heads = map[string]mirror.Head{}
	}
	if r.d.heads == nil {
		r.d.heads = map[string]map[string]mirror.Head{}
	}
	r.d.heads[string(kind)] = heads
	return heads, nil
}

// dropHeads ends that.
func (d *desk) dropHeads() {
	d.applying.Lock()
	defer d.applying.Unlock()
	d.heads = nil
}

func (d *desk) updateHeads(u mirror.Unit) {
	for _, rec := range u.Upserts {
		if heads := d.heads[rec.Kind]; heads != nil {
			heads[rec.ID] = mirror.Head{Hash: rec.Hash, ListHash: rec.ListHash}
		}
	}
	for _, k := range u.Gone {
		if head, known := d.heads[k.Kind][k.ID]; known {
			head.Gone = true
			d.heads[k.Kind][k.ID] = head
		}
	}
}

// unknowHeads forgets the kinds that a unit of unknown outcome may have changed; they are loaded again when needed.
func (d *desk) unknowHeads(u mirror.Unit) {
	for _, rec := range u.Upserts {
		delete(d.heads, rec.Kind)
	}
	for _, k := range u.Gone {
		delete(d.heads, k.Kind)
	}
}

// stored returns the heads of a kind for the ids given, gone ones too: from what a poll has loaded, else from the store.
// The caller holds d.applying.
func (r *run) stored(ctx context.Context, kind ashby.Kind, ids []string) (map[string]mirror.Head, error) {
	if heads := r.d.heads[string(kind)]; heads != nil {
		return heads, nil
	}
	heads, err := r.d.s.opts.Store.HeadsOf(ctx, r.connection.ID, string(kind), ids)
	if err != nil {
		return nil, fmt.Errorf("reading %s heads: %w", kind, err)
	}
	return heads, nil
}

// records returns stored records by id. The caller holds d.applying.
func (r *run) records(ctx context.Context, kind ashby.Kind, ids []string) (map[string]mirror.Record, error) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == "" })
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if heads := r.d.heads[string(kind)]; heads != nil {
		ids = slices.DeleteFunc(ids, func(id string) bool {
			head, known := heads[id]
			return !known || head.Gone
		})
	}
	if len(ids) == 0 {
		return nil, nil
	}
	recs, err := r.d.s.opts.Store.Records(ctx, r.connection.ID, string(kind), ids)
	if err != nil {
		return nil, fmt.Errorf("reading %s records: %w", kind, err)
	}
	byID := make(map[string]mirror.Record, len(recs))
	for _, rec := range recs {
		byID[rec.ID] = rec
	}
	return byID, nil
}
