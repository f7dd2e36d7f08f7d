package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// chunk is how many postings are translated and applied in one unit of work, which bounds memory and the time that
// rows are locked.
const chunk = 100

// change is what newly read records mean for the postings that are made from them.
type change struct {
	// jobs and locations are the new versions, which are not stored yet.
	jobs      map[string]ashby.Job
	locations map[string]ashby.Location
	// jobChangedAt is when a job changed at Ashby, where that is known.
	jobChangedAt map[string]time.Time
	// postings are the mirrored postings that are concerned; matters are the changed records that concern any.
	postings []string
	matters  map[string]bool
	// observed is when the read began that found the change.
	observed time.Time
}

// commit applies a unit together with what the change means for postings. Where those are many, they go first and the
// unit last: if we fall in between, the records still differ, and everything is done again without a second event.
func (r *run) commit(ctx context.Context, u mirror.Unit, c change) error {
	left := c.postings
	for len(left) > 0 {
		n := min(len(left), chunk)
		want, err := r.translated(ctx, left[:n], c)
		if err != nil {
			return err
		}
		if left = left[n:]; len(left) == 0 {
			u.Listings = append(u.Listings, want...)
			break
		}
		if err := r.apply(ctx, mirror.Unit{Listings: want}); err != nil {
			return err
		}
	}
	return r.apply(ctx, u)
}

// translated makes public jobs of stored postings, with the change taken into account. Postings that cannot be judged,
// because their job is not known or their stored form says too little, are left as they are.
func (r *run) translated(ctx context.Context, ids []string, c change) ([]mirror.Desired, error) {
	recs, err := r.records(ctx, ashby.KindPosting, ids)
	if err != nil {
		return nil, err
	}
	postings := make([]ashby.Posting, 0, len(recs))
	var jobIDs, locationIDs []string
	for _, id := range ids {
		rec, stored := recs[id]
		if !stored {
			continue
		}
		p, err := ashby.DecodePosting(rec.Doc)
		if err != nil {
			r.badRow(ctx, ashby.KindPosting, id, err)
			continue
		}
		postings = append(postings, p)
		jobIDs, locationIDs = append(jobIDs, p.JobID), append(locationIDs, locationsOf(p)...)
	}
	jobs, err := r.jobs(ctx, jobIDs, c.jobs)
	if err != nil {
		return nil, err
	}
	locations, err := r.locations(ctx, locationIDs, c.locations)
	if err != nil {
		return nil, err
	}
	all := make([]mirror.Desired, 0, len(postings))
	for _, p := range postings {
		var job *ashby.Job
		if j, known := jobs[p.JobID]; known {
			job = &j
		}
		want, err := r.desired(p, job, locations)
		if err != nil {
			r.d.log.DebugContext(ctx, "posting left as it is", "posting", p.ID, "error", err)
			continue
		}
		want.ChangedAt, want.ObservedAt = c.jobChangedAt[p.JobID], c.observed
		want.VerifiedAt, want.VerifiedBy = recs[p.ID].FetchedAt, events.ProofMirror
		all = append(all, want)
	}
	return all, nil
}

// desired is what a posting's public state is to be. mirror.ErrImplausible where that cannot be said.
func (r *run) desired(p ashby.Posting, job *ashby.Job, locations map[string]ashby.Location) (mirror.Desired, error) {
	public, reason, err := mirror.Public(p, job)
	if err != nil {
		return mirror.Desired{}, fmt.Errorf("judging posting %s: %w", p.ID, err)
	}
	want := mirror.Desired{Posting: p.ID, Translator: r.translator}
	if !public {
		want.Reason = reason
		return want, nil
	}
	j := mirror.Translate(r.connection, p, mirror.Refs{Job: job, Locations: locations}, r.d.s.opts.Cleaner)
	want.Job = &j
	return want, nil
}

// jobs decodes the stored jobs, and puts newer ones in their place.
func (r *run) jobs(ctx context.Context, ids []string, newer map[string]ashby.Job) (map[string]ashby.Job, error) {
	return decoded(ctx, r, ashby.KindJob, ids, newer, ashby.DecodeJob)
}

// locations does the same with locations.
func (r *run) locations(ctx context.Context, ids []string, newer map[string]ashby.Location) (map[string]ashby.Location, error) {
	return decoded(ctx, r, ashby.KindLocation, ids, newer, ashby.DecodeLocation)
}

func decoded[T any](ctx context.Context, r *run, kind ashby.Kind, ids []string, newer map[string]T,
	decode func([]byte) (T, error),
) (map[string]T, error) {
	all := make(map[string]T, len(ids))
	var missing []string
	for _, id := range ids {
		if v, known := newer[id]; known {
			all[id] = v
		} else {
			missing = append(missing, id)
		}
	}
	recs, err := r.records(ctx, kind, missing)
	if err != nil {
		return nil, err
	}
	for id, rec := range recs {
		v, err := decode(rec.Doc)
		if err != nil {
			r.badRow(ctx, kind, id, err)
			continue
		}
		all[id] = v
	}
	return all, nil
}

func locationsOf(p ashby.Posting) []string {
	return append([]string{p.PrimaryLocationID}, p.SecondaryLocations...)
}

// badRow counts and logs an object that could not be read and is passed over. It closes nothing.
func (r *run) badRow(ctx context.Context, kind ashby.Kind, id string, err error) {
	r.d.s.opts.Metrics.badRow(kind)
	r.d.log.WarnContext(ctx, "object not readable", "kind", kind, "object", id, "error", err)
}

// consequences finds the postings that changed records concern. The caller holds d.applying.
func (r *run) consequences(ctx context.Context, kind ashby.Kind, changed []mirror.Record, c *change) error {
	if kind != ashby.KindJob && kind != ashby.KindLocation || len(changed) == 0 {
		return nil
	}
	ids := make([]string, len(changed))
	for i, rec := range changed {
		ids[i] = rec.ID
	}
	before, err := r.records(ctx, kind, ids)
	if err != nil {
		return err
	}
	var matter []string
	for _, rec := range changed {
		var old *mirror.Record
		if b, known := before[rec.ID]; known {
			old = &b
		}
		matters, err := c.add(kind, rec, old)
		if err != nil {
			return err
		}
		if kind == ashby.KindJob && old == nil && r.origin == events.OriginSeed {
			continue // at first, no posting is stored without its job
		}
		if matters {
			matter = append(matter, rec.ID)
		}
	}
	if len(matter) == 0 {
		return nil
	}
	c.matters = make(map[string]bool, len(matter))
	for _, id := range matter {
		c.matters[id] = true
	}
	var jobs, locations []string
	if kind == ashby.KindJob {
		jobs = matter
	} else {
		locations = matter
	}
	postings, err := r.d.s.opts.Store.PostingsOf(ctx, r.connection.ID, jobs, locations)
	if err != nil {
		return fmt.Errorf("finding the postings of a %s: %w", kind, err)
	}
	slices.Sort(postings)
	c.postings = slices.Compact(append(c.postings, postings...))
	return nil
}

// add notes a new version of a job or location, and says whether it matters to postings.
func (c *change) add(kind ashby.Kind, rec mirror.Record, old *mirror.Record) (bool, error) {
	if kind == ashby.KindLocation {
		l, err := ashby.DecodeLocation(rec.Doc)
		if err != nil {
			return false, fmt.Errorf("decoding a location: %w", err)
		}
		if c.locations == nil {
			c.locations = map[string]ashby.Location{}
		}
		c.locations[rec.ID] = l
		return true, nil
	}
	j, err := ashby.DecodeJob(rec.Doc)
	if err != nil {
		return false, fmt.Errorf("decoding a job: %w", err)
	}
	if c.jobs == nil {
		c.jobs, c.jobChangedAt = map[string]ashby.Job{}, map[string]time.Time{}
	}
	c.jobs[rec.ID] = j
	if at := laterThan(rec.UpdatedAt, old); !at.IsZero() {
		c.jobChangedAt[rec.ID] = at
	}
	if old == nil {
		return true, nil
	}
	if was, err := ashby.DecodeJob(old.Doc); err == nil && sameJob(was, j) {
		return false, nil
	}
	return true, nil
}

// isNotFound says that Ashby does not know an object.
func isNotFound(err error) bool { return errors.Is(err, ashby.ErrNotFound) }
