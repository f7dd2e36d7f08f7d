package syncer

import (
	"context"
	"fmt"
	"slices"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// postingRead is a posting as one read showed it.
type postingRead struct {
	record  ashby.Record
	posting ashby.Posting
	// job is Ashby's answer on the posting's job, nil where the stored one is to be taken or jobUnknown is true.
	job        *ashby.Record
	jobUnknown bool
	// row is the listing's row that led to the read, nil where there was none.
	row *ashby.Posting
}

// readPosting reads a posting, and its job where neither the answer nor the store has it. ashby.ErrNotFound: there is
// no such posting.
func (r *run) readPosting(ctx context.Context, id string) (postingRead, error) {
	answer, err := r.client.Posting(ctx, id)
	if err != nil {
		return postingRead{}, fmt.Errorf("reading a posting: %w", err)
	}
	p, err := decodedPosting(answer)
	if err != nil {
		r.d.s.opts.Metrics.badRow(ashby.KindPosting)
		return postingRead{}, fmt.Errorf("%w: posting %s: %w", ashby.ErrMalformed, id, err)
	}
	if p.ID != id {
		return postingRead{}, fmt.Errorf("%w: asked for posting %s, got %s", mirror.ErrImplausible, id, p.ID)
	}
	read := postingRead{record: answer.Posting, posting: p, job: answer.Job}
	if read.record.SentAt.IsZero() {
		read.record.SentAt = answer.SentAt
	}
	if read.job == nil {
		err = r.findJob(ctx, &read)
	}
	return read, err
}

func decodedPosting(answer ashby.PostingAnswer) (ashby.Posting, error) {
	if answer.Decoded != nil {
		return *answer.Decoded, nil
	}
	return ashby.DecodePosting(answer.Posting.Raw)
}

// findJob reads the job of a posting that came without it, unless it is stored. What an unknown job means is judged
// with the posting: a draft is not public whatever its job is.
func (r *run) findJob(ctx context.Context, read *postingRead) error {
	id := read.posting.JobID
	if id == "" {
		read.jobUnknown = true
		return nil
	}
	if r.distrusted != keyFor(ashby.KindJob, id) {
		r.d.applying.Lock()
		stored, err := r.records(ctx, ashby.KindJob, []string{id})
		r.d.applying.Unlock()
		if err != nil {
			return err
		}
		if _, known := stored[id]; known {
			return nil
		}
	}
	job, err := r.client.Info(ctx, ashby.KindJob, id)
	switch {
	case isNotFound(err):
		read.jobUnknown = true
	case err != nil:
		return fmt.Errorf("reading the job of posting %s: %w", read.posting.ID, err)
	default:
		read.job = &job
	}
	return nil
}

// applyPosting applies what a read of a posting showed, together with u. errStale: a newer answer was applied.
func (r *run) applyPosting(ctx context.Context, read postingRead, u mirror.Unit) error {
	d, p := r.d, read.posting
	d.applying.Lock()
	defer d.applying.Unlock()
	if !d.admit(keyFor(ashby.KindPosting, p.ID), read.record.SentAt) {
		return errStale
	}
	before, err := r.records(ctx, ashby.KindPosting, []string{p.ID})
	if err != nil {
		return err
	}
	var old *mirror.Record
	if b, known := before[p.ID]; known {
		old = &b
	}
	rec := record(read.record)
	rec.ListHash = recognisedBy(p, read.row)
	if old == nil || !slices.Equal(old.Hash, rec.Hash) || read.row != nil && !slices.Equal(old.ListHash, rec.ListHash) {
		u.Upserts = append(u.Upserts, rec)
	}
	c := change{observed: read.record.SentAt}
	if err := r.takeJob(ctx, read, &u, &c); err != nil {
		return err
	}
	want, err := r.desiredOf(ctx, read, c)
	if err != nil {
		return err
	}
	want.ChangedAt, want.ObservedAt = laterThan(p.UpdatedAt, old), read.record.SentAt
	want.VerifiedAt, want.VerifiedBy = read.record.SentAt, events.ProofInfo
	if old != nil && want.ChangedAt.IsZero() && r.origin != events.OriginWebhook {
		r = r.expecting("") // a place was renamed, or the like: Ashby does not call that a change of the posting
	}
	if want.ChangedAt.IsZero() {
		want.ChangedAt = c.jobChangedAt[p.JobID]
	}
	u.Listings = append(u.Listings, want)
	c.postings = slices.DeleteFunc(c.postings, func(id string) bool { return id == p.ID })
	return r.commit(ctx, u, c)
}

// takeJob adds the posting's job to the unit if it tells something new. A job that changes concerns all its postings,
// so that these go into the same unit: once the job is stored, nobody would look for them again.
func (r *run) takeJob(ctx context.Context, read postingRead, u *mirror.Unit, c *change) error {
	if read.job == nil || !r.d.admit(keyFor(ashby.KindJob, read.job.ID), read.job.SentAt) {
		return nil
	}
	rec := record(*read.job)
	job, err := ashby.DecodeJob(rec.Doc)
	if err != nil {
		r.d.s.opts.Metrics.badRow(ashby.KindJob)
		return fmt.Errorf("%w: job of posting %s: %w", ashby.ErrMalformed, read.posting.ID, err)
	}
	stored, err := r.records(ctx, ashby.KindJob, []string{rec.ID})
	if err != nil {
		return err
	}
	if old, known := stored[rec.ID]; known {
		// The job comes in other shapes from the listing of jobs; only what it tells counts here.
		if was, err := ashby.DecodeJob(old.Doc); err == nil && sameJob(was, job) {
			c.jobs = map[string]ashby.Job{rec.ID: job}
			return nil
		}
	}
	u.Upserts = append(u.Upserts, rec)
	if err := r.consequences(ctx, ashby.KindJob, []mirror.Record{rec}, c); err != nil {
		return err
	}
	if r.origin == events.OriginPoll {
		var known map[string]mirror.Head
		if old, was := stored[rec.ID]; was {
			known = map[string]mirror.Head{rec.ID: {Hash: old.Hash}}
		}
		r.expecting(ashby.KindJob).foundRecords(ctx, ashby.KindJob, []mirror.Record{rec}, known, *c)
	}
	return nil
}

// desiredOf is the public state of a posting just read, made with the newest job and locations.
func (r *run) desiredOf(ctx context.Context, read postingRead, c change) (mirror.Desired, error) {
	p := read.posting
	var job *ashby.Job
	if !read.jobUnknown {
		jobs, err := r.jobs(ctx, []string{p.JobID}, c.jobs)
		if err != nil {
			return mirror.Desired{}, err
		}
		if j, known := jobs[p.JobID]; known {
			job = &j
		}
	}
	locations, err := r.locations(ctx, locationsOf(p), c.locations)
	if err != nil {
		return mirror.Desired{}, err
	}
	return r.desired(p, job, locations)
}
