package mirror

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Decide says what becomes of a posting's listing, and whether an event tells of it. Current is the stored listing with
// its Job, nil if the posting never was public.
//
// Data is nil where there is no event: nothing changed (next is current), the posting was and is not public (next is the
// zero Listing if there is none), or only the translator changed (next differs from current in Translator alone and is
// to be stored). With an event, next carries the next version and is to be stored in the event's transaction.
func Decide(current *Listing, want Desired, origin events.Origin) (
	next Listing, typ events.Type, data *events.JobData, err error,
) {
	switch {
	case current != nil && current.Posting != want.Posting:
		err = fmt.Errorf("deciding on posting %s: the listing is of posting %s", want.Posting, current.Posting)
	case want.Job != nil && want.Job.ID != want.Posting:
		err = fmt.Errorf("deciding on posting %s: the job is of posting %s", want.Posting, want.Job.ID)
	case want.VerifiedAt.IsZero() || want.VerifiedBy == "":
		err = fmt.Errorf("deciding on posting %s: no proof given", want.Posting)
	case want.Job != nil:
		return open(current, want, origin)
	case current == nil:
	case current.State != StateOpen:
		next = *current
	default:
		return shut(*current, want, origin)
	}
	return next, "", nil, err
}

// The states of a Listing.
const (
	StateOpen   = "open"
	StateClosed = "closed"
)

func open(current *Listing, want Desired, origin events.Origin) (Listing, events.Type, *events.JobData, error) {
	doc, err := json.Marshal(want.Job)
	if err != nil {
		return Listing{}, "", nil, fmt.Errorf("encoding job of posting %s: %w", want.Posting, err)
	}
	next := Listing{
		Posting: want.Posting, State: StateOpen, Version: 1,
		Job: doc, Hash: Hash(doc), Translator: want.Translator, VerifiedAt: verifiedAt(current, want),
	}
	data := jobData(want, origin, *want.Job, next.VerifiedAt)
	typ := events.JobPublished
	switch {
	case current == nil:
	case current.State == StateOpen && bytes.Equal(current.Hash, next.Hash):
		same := *current
		same.Translator = want.Translator
		return same, "", nil, nil
	case current.State == StateOpen:
		typ = events.JobUpdated
		next.Version = current.Version + 1
		data.Changed = Changed(current.Job, doc)
	default:
		next.Version = current.Version + 1
	}
	data.Version = next.Version
	return next, typ, data, nil
}

// shut closes a listing. Its job is encoded anew, so that the listing and the event that the board folds stay the same
// even if a release has added fields since the job was stored.
func shut(current Listing, want Desired, origin events.Origin) (Listing, events.Type, *events.JobData, error) {
	if want.Reason == "" {
		return Listing{}, "", nil, fmt.Errorf("closing posting %s: no reason given", want.Posting)
	}
	var last events.Job
	if err := json.Unmarshal(current.Job, &last); err != nil {
		return Listing{}, "", nil, fmt.Errorf("decoding the last job of posting %s: %w", want.Posting, err)
	}
	doc, err := json.Marshal(last)
	if err != nil {
		return Listing{}, "", nil, fmt.Errorf("encoding the last job of posting %s: %w", want.Posting, err)
	}
	next := current
	next.State, next.Version, next.Reason = StateClosed, current.Version+1, want.Reason
	next.Job, next.Hash, next.VerifiedAt = doc, Hash(doc), verifiedAt(&current, want)
	data := jobData(want, origin, last, next.VerifiedAt)
	data.Version, data.Reason = next.Version, &want.Reason
	return next, events.JobClosed, data, nil
}

// verifiedAt is as of when the new state is proven. What is taken from the mirror is as old as the answer that it is made of;
// where a later one is known to have shown the same posting, as old as that.
func verifiedAt(current *Listing, want Desired) time.Time {
	at := utc(want.VerifiedAt)
	if want.VerifiedBy == events.ProofMirror && current != nil && current.VerifiedAt.After(at) {
		return utc(current.VerifiedAt)
	}
	return at
}

func jobData(want Desired, origin events.Origin, job events.Job, verified time.Time) *events.JobData {
	changed := want.ChangedAt
	if changed.IsZero() {
		changed = want.ObservedAt
	}
	return &events.JobData{
		Origin: origin, Changed: []string{}, Job: job,
		ChangedAt: utc(changed), ObservedAt: utc(want.ObservedAt), VerifiedAt: verified, VerifiedBy: want.VerifiedBy,
	}
}

// utc drops what JSON does not carry: the zone and the monotonic clock.
func utc(t time.Time) time.Time { return t.UTC().Round(0) }
