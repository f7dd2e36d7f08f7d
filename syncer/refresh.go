package syncer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// rereads is how often an object is read again at once because the answer came in late.
const rereads = 3

// refresh reads one object anew and applies what it finds.
func (d *desk) refresh(ctx context.Context, a access, t task) error {
	if a.connection.Status == mirror.StatusUnauthorized {
		return errKeyRefused
	}
	r, err := d.newRun(ctx, a, events.OriginWebhook)
	if err != nil {
		return err
	}
	kind := ashby.Kind(t.kind)
	for range rereads {
		// The rows are read before Ashby is: what came in later is answered by a later read.
		inbox, err := d.s.opts.Store.OpenInbox(ctx, d.connection, t.kind, t.object)
		if err != nil {
			return fmt.Errorf("reading the inbox: %w", err)
		}
		switch {
		case kind == ashby.KindPosting:
			err = r.refreshPosting(ctx, t.object, inbox)
		case polled(kind):
			err = r.refreshRecord(ctx, kind, t.object, inbox)
		default: // nothing of this kind is mirrored
			err = r.answerInbox(ctx, inbox)
		}
		if !errors.Is(err, errStale) {
			return err
		}
	}
	return errStale
}

// refreshPosting reads a posting with its job.
func (r *run) refreshPosting(ctx context.Context, id string, inbox []int64) error {
	asked := time.Now()
	read, err := r.readPosting(ctx, id)
	if isNotFound(err) {
		return r.confirmGone(ctx, id, asked, inbox)
	}
	if err != nil {
		return err
	}
	return r.applyPosting(ctx, read, mirror.Unit{InboxDone: inbox})
}

// confirmGone closes a posting that Ashby does not know any more, if the complete listing lacks it too. asked is when
// the posting was asked for.
func (r *run) confirmGone(ctx context.Context, id string, asked time.Time, inbox []int64) error {
	// As in a poll, what is public is read before the listing, else a job published in between would seem to vanish.
	listings, err := r.d.s.opts.Store.Listings(ctx, r.connection.ID)
	if err != nil {
		return fmt.Errorf("reading the listings: %w", err)
	}
	list, err := r.client.Postings(ctx)
	if err != nil {
		return fmt.Errorf("confirming that a posting is gone: %w", err)
	}
	seen := seenIn(list)
	if seen.has(id) {
		return fmt.Errorf("%w: posting %s is unknown and listed", mirror.ErrImplausible, id)
	}
	if public, vanished := vanishedFrom(listings, seen); mirror.MassClosing(public, len(vanished)) {
		// No proof of anything: a poll holds these postings until a second listing agrees.
		r.d.askPoll(ctx)
		return fmt.Errorf("%w: %d of %d public postings vanished at once", mirror.ErrImplausible, len(vanished), public)
	}
	return r.applyGone(ctx, id, asked, mirror.Unit{InboxDone: inbox})
}

// applyGone closes a posting whose absence is proven.
func (r *run) applyGone(ctx context.Context, id string, asked time.Time, u mirror.Unit) error {
	r.d.applying.Lock()
	defer r.d.applying.Unlock()
	key := keyFor(ashby.KindPosting, id)
	if !r.d.admit(key, asked) {
		return errStale
	}
	stored, err := r.records(ctx, ashby.KindPosting, []string{id})
	if err != nil {
		return err
	}
	if _, known := stored[id]; known {
		u.Gone = append(u.Gone, key)
	}
	u.Listings = append(u.Listings, mirror.Desired{
		Posting: id, Reason: events.ReasonDeleted, ObservedAt: asked,
		Translator: r.translator,
	})
	return r.apply(ctx, u)
}

// refreshRecord reads a job, location or department, and translates the postings made from it anew.
func (r *run) refreshRecord(ctx context.Context, kind ashby.Kind, id string, inbox []int64) error {
	asked := time.Now()
	rec, err := r.client.Info(ctx, kind, id)
	if isNotFound(err) {
		return r.refreshOrphans(ctx, kind, id, asked, inbox)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", kind, err)
	}
	r.d.applying.Lock()
	defer r.d.applying.Unlock()
	if !r.d.admit(keyFor(kind, id), rec.SentAt) {
		return errStale
	}
	return r.applyRecords(ctx, kind, []ashby.Record{rec}, mirror.Unit{InboxDone: inbox})
}

// refreshOrphans follows up an object that Ashby does not know any more: what that means for a posting only a read of
// the posting says.
func (r *run) refreshOrphans(ctx context.Context, kind ashby.Kind, id string, asked time.Time, inbox []int64) error {
	var jobs, locations []string
	switch kind {
	case ashby.KindJob:
		jobs = []string{id}
	case ashby.KindLocation:
		locations = []string{id}
	}
	if jobs != nil || locations != nil {
		postings, err := r.d.s.opts.Store.PostingsOf(ctx, r.connection.ID, jobs, locations)
		if err != nil {
			return fmt.Errorf("finding the postings of a lost %s: %w", kind, err)
		}
		orphan := *r
		orphan.distrusted = keyFor(kind, id)
		for _, posting := range postings {
			if err := orphan.refreshPosting(ctx, posting, nil); err != nil {
				return fmt.Errorf("posting of a lost %s: %w", kind, err)
			}
		}
	}
	return r.applyLost(ctx, keyFor(kind, id), asked, inbox)
}

func (r *run) applyLost(ctx context.Context, key mirror.RecordKey, asked time.Time, inbox []int64) error {
	r.d.applying.Lock()
	defer r.d.applying.Unlock()
	if !r.d.admit(key, asked) {
		return errStale
	}
	u := mirror.Unit{InboxDone: inbox}
	stored, err := r.records(ctx, ashby.Kind(key.Kind), []string{key.ID})
	if err != nil {
		return err
	}
	if _, known := stored[key.ID]; known {
		u.Gone = []mirror.RecordKey{key}
	}
	return r.apply(ctx, u)
}
