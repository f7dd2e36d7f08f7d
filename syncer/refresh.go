package syncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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
		inbox, err := d.inboxOf(ctx, t)
		if err != nil {
			return err
		}
		err = r.refreshKind(ctx, kind, t.object, inbox)
		if !errors.Is(err, errStale) {
			return err
		}
	}
	return errStale
}

// refreshKind reads one object in the way of its kind.
func (r *run) refreshKind(ctx context.Context, kind ashby.Kind, id string, inbox []int64) error {
	res, known := ashby.ResourceOf(kind)
	if !known || !res.In(r.connection.Modules) { // nothing of this kind is mirrored
		return r.answerInbox(ctx, inbox)
	}
	told := r.expecting(kind)
	var err error
	switch {
	case kind == ashby.KindPosting:
		return told.refreshPosting(ctx, id, inbox)
	case res.Info == "":
		err = told.refreshListing(ctx, res, inbox)
	default:
		err = told.refreshRecord(ctx, kind, id, inbox)
	}
	if err != nil && !res.In([]string{moduleJobs}) && r.lacksPermission(ctx, err) {
		// The module pauses by its next slice. Once the key may read it again, its listings bring all that was missed.
		r.d.log.InfoContext(ctx, "webhook of a module that the key may not read", "kind", kind, "error", brief(err))
		return r.answerInbox(ctx, inbox)
	}
	return err
}

// refreshListing reads what changed of a kind whose objects cannot be read singly. A pass that is under way began before
// the webhook came, so that only the one after it tells. A listing that was never read is still to be read whole.
func (r *run) refreshListing(ctx context.Context, res ashby.Resource, inbox []int64) error {
	for _, l := range listingsOf(res) {
		pass, err := r.d.s.opts.Passes.Pass(ctx, r.connection.ID, l.key(false))
		if err != nil {
			return fmt.Errorf("finding the pass: %w", err)
		}
		if pass != nil {
			return fmt.Errorf("%w: %s", errUnderWay, l.kind())
		}
		_, err = r.d.s.opts.Passes.Token(ctx, r.connection.ID, l.kind(), l.variant)
		if errors.Is(err, mirror.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the sync token: %w", err)
		}
		if _, err := r.readListing(ctx, l, false, nil); err != nil {
			return err
		}
	}
	return r.answerInbox(ctx, inbox)
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
	r.tally.read(1)
	own, err := r.d.groups.apply.do(ctx, &refreshed{run: r, read: read, inbox: inbox})
	return cmp.Or(err, own)
}

// confirmGone closes a posting that Ashby does not know any more, if the complete listing lacks it too. asked is when
// the posting was asked for.
func (r *run) confirmGone(ctx context.Context, id string, asked time.Time, inbox []int64) error {
	// As in a poll, what is public is read before the listing, else a job published in between would seem to vanish.
	listings, err := r.d.s.opts.Store.Listings(ctx, r.connection.ID)
	if err != nil {
		return fmt.Errorf("reading the listings: %w", err)
	}
	list, err := r.listPostings(ctx)
	if err != nil {
		return fmt.Errorf("confirming that a posting is gone: %w", err)
	}
	seen := seenIn(list)
	if seen.has(id) {
		return fmt.Errorf("%w: posting %s is unknown and listed", mirror.ErrImplausible, id)
	}
	hold, err := r.d.s.opts.Progress.Hold(ctx, r.connection.ID)
	if err != nil {
		return fmt.Errorf("reading the hold: %w", err)
	}
	if public, vanished := undecided(listings, seen, hold, id); mirror.MassClosing(public, len(vanished)) {
		// No proof of anything: a poll holds these postings until a second listing agrees.
		r.d.askPoll(ctx)
		return fmt.Errorf("%w: %d of %d public postings vanished at once", mirror.ErrImplausible, len(vanished), public)
	}
	return r.applyGone(ctx, id, asked, evidence{list.SentAt, events.ProofList}, mirror.Unit{InboxDone: inbox})
}

// evidence is the answer that completes a proof: when it was asked for, and what gave it.
type evidence struct {
	at time.Time
	by events.Proof
}

// applyGone closes a posting whose absence is proven by a read of it, asked for at a time, and the complete listing.
func (r *run) applyGone(ctx context.Context, id string, asked time.Time, by evidence, u mirror.Unit) error {
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
		Posting: id, Reason: events.ReasonDeleted, ObservedAt: asked, VerifiedAt: by.at, VerifiedBy: by.by,
		Translator: r.translator,
	})
	return r.apply(ctx, u)
}

// undecided counts the public jobs and names those that a listing lacks, without those on which a person has decided: what
// somebody said of them must not keep this posting from closing, of which a webhook and a read speak.
func undecided(listings map[string]mirror.Listing, s seen, hold *mirror.Hold, id string) (public int, vanished []string) {
	public, vanished = vanishedFrom(listings, s)
	if hold == nil || hold.State == mirror.HoldOpen || hold.State == "" {
		return public, vanished
	}
	rest := slices.DeleteFunc(slices.Clone(vanished), func(v string) bool { return v != id && slices.Contains(hold.Postings, v) })
	return public - (len(vanished) - len(rest)), rest
}

// refreshRecord reads one object of a kind without publication state of its own, and translates the postings made from it
// anew.
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
	r.tally.read(1)
	res, _ := ashby.ResourceOf(kind)
	return r.applyRecords(ctx, listing{res: res}, []ashby.Record{rec}, mirror.Unit{InboxDone: inbox})
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
	if err := r.withChildren(ctx, &u); err != nil {
		return err
	}
	return r.apply(ctx, u)
}
