package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// mostGrouped is how many refreshes of one connection are answered together at most.
const mostGrouped = 64

// groups answer together what the refreshes of a connection ask the store at the same time: in a burst of webhooks, most of
// the time would else go to the same statements again and again, and to a commit for each.
type groups struct {
	opening gather[struct{}, opened]
	inbox   gather[task, []int64]
	apply   gather[*refreshed, error]
}

// opened is a connection with its sealed key.
type opened struct {
	connection mirror.Connection
	sealed     mirror.Sealed
}

// refreshed is a posting that a refresh has read, and the webhooks that this answers.
type refreshed struct {
	run   *run
	read  postingRead
	inbox []int64
}

func newGroups(d *desk) *groups {
	g := &groups{}
	g.opening.most, g.inbox.most, g.apply.most = mostGrouped, mostGrouped, mostGrouped
	g.opening.answer = d.readConnection
	g.inbox.answer = d.readInbox
	g.apply.answer = d.applyRefreshed
	return g
}

// readConnection reads the connection once for all that ask.
func (d *desk) readConnection(ctx context.Context, group []struct{}) ([]opened, error) {
	c, sealed, err := d.s.opts.Store.Connection(ctx, d.connection)
	if err != nil {
		return nil, err
	}
	return slices.Repeat([]opened{{c, sealed}}, len(group)), nil
}

// readInbox reads the open inbox rows of several objects.
func (d *desk) readInbox(ctx context.Context, group []task) ([][]int64, error) {
	byKind := map[mirror.HintKind][]string{}
	for _, t := range group {
		byKind[t.kind] = append(byKind[t.kind], t.object)
	}
	open := map[task][]int64{}
	for kind, objects := range byKind {
		rows, err := d.s.opts.Store.OpenInbox(ctx, d.connection, kind, objects...)
		if err != nil {
			return nil, err
		}
		for object, ids := range rows {
			open[task{kind, object}] = ids
		}
	}
	out := make([][]int64, len(group))
	for i, t := range group {
		out[i] = open[t]
	}
	return out, nil
}

// applyRefreshed applies postings that were read, in one unit of work where it can. Those whose job tells something new
// concern other postings too and are applied each by itself, as are all where the unit fails for one of them.
func (d *desk) applyRefreshed(ctx context.Context, group []*refreshed) ([]error, error) {
	errs := make([]error, len(group))
	if len(group) == 1 {
		errs[0] = group[0].apply(ctx)
		return errs, nil
	}
	var alone []int
	for _, some := range alike(group) {
		left, err := d.applyAlike(ctx, group, some, errs)
		switch {
		case err == nil:
		case concernsAll(ctx, err):
			for _, i := range some {
				errs[i] = err
			}
			continue
		default:
			left = some
		}
		alone = append(alone, left...)
	}
	for _, i := range alone {
		errs[i] = group[i].apply(ctx)
	}
	return errs, nil
}

// concernsAll says that an error of a unit of work would be the same for each of its parts.
func concernsAll(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, mirror.ErrLeaseLost) || errors.Is(err, mirror.ErrPaused) ||
		errors.Is(err, mirror.ErrRemoved) || errors.Is(err, mirror.ErrUnavailable)
}

// apply applies one posting by itself.
func (f *refreshed) apply(ctx context.Context) error {
	return f.run.applyPosting(ctx, f.read, mirror.Unit{InboxDone: f.inbox})
}

// alike parts a group by what a unit of work has one of: origin and translation.
func alike(group []*refreshed) [][]int {
	type likeness struct {
		origin     events.Origin
		translator string
	}
	at := map[likeness]int{}
	var parts [][]int
	for i, f := range group {
		l := likeness{f.run.origin, f.run.translator}
		n, known := at[l]
		if !known {
			n = len(parts)
			at[l] = n
			parts = append(parts, nil)
		}
		parts[n] = append(parts[n], i)
	}
	return parts
}

// applyAlike applies some of a group in one unit of work, notes the errors that concern one alone, and returns those that
// are to be applied by themselves.
func (d *desk) applyAlike(ctx context.Context, group []*refreshed, some []int, errs []error) (alone []int, err error) {
	d.applying.Lock()
	defer d.applying.Unlock()
	r := group[some[0]].run
	var fresh []int
	for _, i := range some {
		read := group[i].read
		if !d.admit(keyFor(ashby.KindPosting, read.posting.ID), read.record.SentAt) {
			errs[i] = errStale
			continue
		}
		fresh = append(fresh, i)
	}
	known, err := r.knownOf(ctx, group, fresh)
	if err != nil {
		return nil, err
	}
	u, made := mirror.Unit{}, fresh[:0:0]
	changed := make([]int, len(group))
	for _, i := range fresh {
		f := group[i]
		if !known.jobIsKnown(f.read) {
			alone = append(alone, i)
			continue
		}
		want, rec, err := f.run.wanted(f.read, known)
		if err != nil {
			errs[i] = err
			continue
		}
		if rec != nil {
			u.Upserts = append(u.Upserts, *rec)
			changed[i] = 1
		}
		u.Listings = append(u.Listings, want)
		u.InboxDone = append(u.InboxDone, f.inbox...)
		made = append(made, i)
	}
	applied, err := r.applyUnit(ctx, u)
	if err != nil {
		return nil, err
	}
	byPosting := map[string]mirror.Made{}
	for _, m := range applied.Made {
		byPosting[m.Posting] = m
	}
	for _, i := range made {
		own := mirror.Applied{Records: changed[i]}
		if m, ok := byPosting[group[i].read.posting.ID]; ok {
			own.Events, own.Made = 1, []mirror.Made{m}
		}
		group[i].run.tally.applied(own)
		group[i].run.foundPostings(ctx, own.Made)
	}
	return alone, nil
}

// stock is what is stored of the objects that some postings refer to, and of the postings themselves.
type stock struct {
	postings  map[string]mirror.Record
	jobs      map[string]ashby.Job
	locations map[string]ashby.Location
}

// knownOf reads what is stored for some postings of a group. The caller holds d.applying.
func (r *run) knownOf(ctx context.Context, group []*refreshed, some []int) (stock, error) {
	var ids, jobs, places []string
	for _, i := range some {
		p := group[i].read.posting
		ids, jobs, places = append(ids, p.ID), append(jobs, p.JobID), append(places, locationsOf(p)...)
	}
	var s stock
	var err error
	if s.postings, err = r.records(ctx, ashby.KindPosting, ids); err != nil {
		return stock{}, err
	}
	if s.jobs, err = r.jobs(ctx, jobs, nil); err != nil {
		return stock{}, err
	}
	s.locations, err = r.locations(ctx, places, nil)
	return s, err
}

// jobIsKnown says that the job which came with a posting tells nothing that is not stored.
func (s stock) jobIsKnown(read postingRead) bool {
	if read.job == nil {
		return true
	}
	stored, known := s.jobs[read.job.ID]
	job, err := ashby.DecodeJob(read.job.Raw)
	return known && err == nil && sameJob(stored, job)
}

// wanted is the public state of a posting that was read, and its record where that is to be stored.
func (r *run) wanted(read postingRead, s stock) (mirror.Desired, *mirror.Record, error) {
	p := read.posting
	var old *mirror.Record
	if b, known := s.postings[p.ID]; known {
		old = &b
	}
	rec := record(read.record)
	rec.ListHash = recognisedBy(p, read.row)
	var job *ashby.Job
	if j, known := s.jobs[p.JobID]; known && !read.jobUnknown {
		job = &j
	}
	want, err := r.desired(p, job, s.locations)
	if err != nil {
		return mirror.Desired{}, nil, err
	}
	want.ChangedAt, want.ObservedAt = laterThan(p.UpdatedAt, old), read.record.SentAt
	want.VerifiedAt, want.VerifiedBy = read.record.SentAt, events.ProofInfo
	if old != nil && slices.Equal(old.Hash, rec.Hash) {
		return want, nil, nil
	}
	return want, &rec, nil
}

// inboxOf reads the open inbox rows of one object, together with others that ask at the same time.
func (d *desk) inboxOf(ctx context.Context, t task) ([]int64, error) {
	ids, err := d.groups.inbox.do(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("reading the inbox: %w", err)
	}
	return ids, nil
}
