package mirror

import (
	"fmt"
	"slices"
	"time"
)

// HoldTime is how long after the creation of a hold a second complete listing may confirm it.
const HoldTime = 5 * time.Minute

// MassClosing says that so many of an employer's public jobs vanished at once that it may be a fault at Ashby: more than
// three, and more than 30 % of them.
func MassClosing(public, vanished int) bool {
	return vanished > 3 && vanished*10 > public*3
}

// ReviewAbsence decides on the public postings that a complete listing did not show. Hold is the connection's present
// hold, nil if there is none; publicCount counts the open public jobs, those that vanished included.
//
// The postings in confirm may go to a read of each; only that read closes one. Set is the hold to store, nil where it
// stays as it is; cleared says that the hold is to be ended. At most one of set and cleared is given.
//
//   - Few absent postings are confirmed at once, and end a hold: the listing has recovered.
//   - A mass disappearance is held. A listing at least HoldTime later lets those go that were absent in both; a read
//     that fails may be tried again after each later listing, as the hold stays until they are no longer absent.
//   - What came back leaves the hold. What joins it makes the clock start again, for a listing that differs does not
//     agree; what had waited long enough by then goes all the same.
//   - An approved hold does not wait: a person took the place of the listing that agrees. A rejected one keeps its
//     postings from being confirmed until they are back; others are decided on without them.
func ReviewAbsence(hold *Hold, publicCount int, vanished []string, now time.Time) (
	confirm []string, set *Hold, cleared bool,
) {
	absent := slices.Compact(slices.Sorted(slices.Values(vanished)))
	if hold != nil && hold.State == HoldRejected {
		return reviewRejected(*hold, publicCount, absent, now)
	}
	if !MassClosing(publicCount, len(absent)) {
		return absent, nil, hold != nil
	}
	if hold == nil {
		return nil, newHold(publicCount, absent, now), false
	}
	held, fresh := split(absent, hold.Postings)
	if hold.State == HoldApproved || now.Sub(hold.CreatedAt) >= HoldTime {
		confirm = held
		if !MassClosing(publicCount, len(fresh)) {
			confirm, fresh = absent, nil
		}
	}
	switch {
	case len(fresh) > 0:
		set = again(*hold, newHold(publicCount, absent, now))
	case len(held) < len(hold.Postings):
		set = reduced(*hold, held)
	}
	return confirm, set, false
}

// reviewRejected leaves alone what a person said must not close. Where many others vanish beside it, a person is asked
// anew.
func reviewRejected(hold Hold, publicCount int, absent []string, now time.Time) (
	confirm []string, set *Hold, cleared bool,
) {
	kept, others := split(absent, hold.Postings)
	switch {
	case MassClosing(publicCount-len(kept), len(others)):
		return nil, again(hold, newHold(publicCount, absent, now)), false
	case len(kept) == 0:
		return others, nil, true
	case len(kept) < len(hold.Postings):
		return others, reduced(hold, kept), false
	}
	return others, nil, false
}

// again is a hold whose clock starts anew, under the same id.
func again(hold Hold, anew *Hold) *Hold {
	anew.ID = hold.ID
	return anew
}

// reduced is a hold with fewer postings.
func reduced(hold Hold, postings []string) *Hold {
	hold.Postings = postings
	return &hold
}

// split parts the absent postings into those that are held already and those that are not.
func split(absent, postings []string) (held, fresh []string) {
	known := make(map[string]bool, len(postings))
	for _, id := range postings {
		known[id] = true
	}
	for _, id := range absent {
		if known[id] {
			held = append(held, id)
		} else {
			fresh = append(fresh, id)
		}
	}
	return held, fresh
}

func newHold(publicCount int, absent []string, now time.Time) *Hold {
	return &Hold{
		State: HoldOpen, Postings: absent, PublicCount: publicCount, CreatedAt: now.UTC(),
		Reason: fmt.Sprintf("%d of %d public jobs vanished from Ashby's listing at once", len(absent), publicCount),
	}
}
