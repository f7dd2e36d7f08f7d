package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// holdJSON is a hold as the API shows it, with all that a person needs to decide.
type holdJSON struct {
	ID           string         `json:"id"`
	Connection   string         `json:"connection"`
	EmployerRef  string         `json:"employer_ref"`
	EmployerName string         `json:"employer_name"`
	State        string         `json:"state"`
	Reason       string         `json:"reason"`
	PublicCount  int            `json:"public_count"`
	Postings     []heldPosting  `json:"postings"`
	OpenedAt     time.Time      `json:"opened_at"`
	WaitingSince time.Time      `json:"waiting_since"`
	DecidedAt    *time.Time     `json:"decided_at"`
	EndedAt      *time.Time     `json:"ended_at"`
	Outcome      string         `json:"outcome"`
	Note         string         `json:"note"`
	Next         string         `json:"next"`
	Decisions    *decisionsJSON `json:"decisions"`
	// DecisionsMade are all that were made, the first one first.
	DecisionsMade []decisionMadeJSON `json:"decisions_made"`
}

// decisionMadeJSON is what a person decided.
type decisionMadeJSON struct {
	Decision  string    `json:"decision"`
	Note      string    `json:"note"`
	DecidedBy string    `json:"decided_by"`
	DecidedAt time.Time `json:"decided_at"`
}

// heldPosting is a posting that waits; its title is nil once it is not public any more.
type heldPosting struct {
	ID    string  `json:"id"`
	Title *string `json:"title"`
}

// decisionsJSON says what each decision does; there is none on a hold that ended.
type decisionsJSON struct {
	Approve string `json:"approve"`
	Reject  string `json:"reject"`
}

func showHold(v mirror.HeldView) holdJSON {
	out := holdJSON{
		ID: v.ID, Connection: v.Connection, EmployerRef: v.EmployerRef, EmployerName: v.EmployerName,
		State: v.State, Reason: v.Reason, PublicCount: v.PublicCount, Postings: make([]heldPosting, 0, len(v.Postings)),
		OpenedAt: v.OpenedAt.UTC(), WaitingSince: v.CreatedAt.UTC(), DecidedAt: utc(v.DecidedAt), EndedAt: utc(v.EndedAt),
		Outcome: v.Outcome, Note: v.Note, Next: nextOf(v), DecisionsMade: make([]decisionMadeJSON, 0, len(v.Decisions)),
	}
	for _, d := range v.Decisions {
		out.DecisionsMade = append(out.DecisionsMade, decisionMadeJSON{d.State, d.Note, d.By, d.At.UTC()})
	}
	for _, id := range v.Postings {
		held := heldPosting{ID: id}
		if title, ok := v.Jobs[id]; ok {
			held.Title = &title
		}
		out.Postings = append(out.Postings, held)
	}
	slices.SortFunc(out.Postings, func(a, b heldPosting) int { return cmp.Compare(a.ID, b.ID) })
	if v.State != mirror.HoldEnded {
		out.Decisions = &decisionsJSON{
			Approve: "A poll follows at once, and approval takes the place of the second listing: each of these postings is " +
				"read once more, and those that are really gone are closed on every board.",
			Reject: "These jobs stay open on every board until Ashby lists them again, or until a read or a webhook of one " +
				"says that it is closed.",
		}
	}
	return out
}

// nextOf says in a sentence what happens to the hold if nobody does anything more.
func nextOf(v mirror.HeldView) string {
	switch v.State {
	case mirror.HoldOpen:
		return fmt.Sprintf("Nothing is closed until a complete listing of %s or later lacks the same postings and a read of "+
			"each confirms that it is gone; postings that come back leave the hold.",
			v.CreatedAt.Add(mirror.HoldTime).UTC().Format(time.RFC3339))
	case mirror.HoldApproved:
		return "The next poll reads each of these postings and closes those that are really gone; a read that fails is " +
			"tried again by the polls after it."
	case mirror.HoldRejected:
		return "These jobs stay open until Ashby lists them again, or until a read or a webhook of one says that it is closed."
	}
	switch v.Outcome {
	case mirror.HoldRecovered:
		return "Nothing: Ashby lists the postings again."
	case mirror.HoldConfirmed:
		return "Nothing: listings and reads settled each of the postings."
	case mirror.HoldDisconnected:
		return "Nothing: the employer disconnected."
	}
	return "Nothing: it ended."
}
