package syncer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// readPostings compares the complete listing with what is stored, reads what is new or changed, and then looks after
// what the listing lacks.
func (p *poll) readPostings(ctx context.Context) error {
	var err error
	// What is public is read before the listing is asked for, else a job published in between would seem to vanish.
	if p.listings, err = p.d.s.opts.Store.Listings(ctx, p.connection.ID); err != nil {
		return fmt.Errorf("reading the listings: %w", err)
	}
	list, err := p.listPostings(ctx)
	if err != nil {
		return fmt.Errorf("listing postings: %w", err)
	}
	p.tally.read(len(list.Records))
	seen := seenIn(list)
	changed, unchanged, err := p.changed(ctx, &list)
	if err != nil {
		return err
	}
	if err := p.quarantine(ctx, list.Bad); err != nil {
		return err
	}
	p.result.atAshby = len(list.Records) + len(list.Bad)
	p.total, p.done = p.result.atAshby, p.result.atAshby-len(changed)
	list.Records = nil // thousands of rows that are not needed any more
	if len(changed) > 0 {
		p.noteProgress(ctx)
	}
	ids := make([]string, len(changed))
	for i, row := range changed {
		ids[i] = row.ID
	}
	if err := p.readEach(ctx, ids, func(ctx context.Context, i int) error {
		return p.readRow(ctx, &changed[i])
	}); err != nil {
		return err
	}
	if err := p.reviewAbsence(ctx, seen, list.SentAt); err != nil {
		return err
	}
	return p.rereadUnchanged(ctx, unchanged)
}

// changed returns the rows that differ from what is stored, in the listing's order, and the ids of the others. Rows that
// cannot be decoded join the list's bad ones.
func (p *poll) changed(ctx context.Context, list *ashby.PostingList) (changed []ashby.Posting, unchanged []string, err error) {
	rows := make([]ashby.Posting, 0, len(list.Records))
	hashes := make([][]byte, 0, len(list.Records))
	for _, rec := range list.Records {
		row, err := ashby.DecodePosting(rec.Raw)
		if err != nil {
			list.Bad = append(list.Bad, ashby.BadRow{ID: rec.ID, Err: err})
			continue
		}
		rows, hashes = append(rows, row), append(hashes, listHash(row))
	}
	p.d.applying.Lock()
	defer p.d.applying.Unlock()
	heads, err := p.loadHeads(ctx, ashby.KindPosting)
	if err != nil {
		return nil, nil, err
	}
	for i, row := range rows {
		head, known := heads[row.ID]
		if !known || head.Gone || !bytes.Equal(head.ListHash, hashes[i]) {
			changed = append(changed, row)
		} else {
			unchanged = append(unchanged, row.ID)
		}
	}
	return changed, unchanged, nil
}

// quarantine notes rows of the listing that could not be read.
func (p *poll) quarantine(ctx context.Context, bad []ashby.BadRow) error {
	for _, b := range bad {
		p.unread = append(p.unread, b.ID)
	}
	return p.applyLocked(ctx, mirror.Unit{Bad: p.badRows(ctx, ashby.KindPosting, bad)})
}

// listPostings reads the complete listing of postings. An employer with several external boards has a listing of each.
func (r *run) listPostings(ctx context.Context) (ashby.PostingList, error) {
	boards, err := r.externalBoards(ctx)
	if err != nil {
		return ashby.PostingList{}, err
	}
	if len(boards) < 2 { // the primary one is what is listed anyway
		boards = nil
	}
	return r.client.Postings(ctx, boards...)
}

// externalBoards are the ids of the boards that candidates see, as far as they are known.
func (r *run) externalBoards(ctx context.Context) ([]string, error) {
	ids, err := r.d.s.opts.Passes.RecordIDs(ctx, r.connection.ID, string(ashby.KindBoard), "", mostBoards)
	if err != nil || len(ids) < 2 {
		return nil, err
	}
	r.d.applying.Lock()
	defer r.d.applying.Unlock()
	recs, err := r.records(ctx, ashby.KindBoard, ids)
	if err != nil {
		return nil, err
	}
	var external []string
	for _, id := range ids {
		var board struct {
			IsInternal *bool `json:"isInternal"`
		}
		if err := json.Unmarshal(recs[id].Doc, &board); err == nil && board.IsInternal != nil && !*board.IsInternal {
			external = append(external, id)
		}
	}
	return external, nil
}

// mostBoards bounds the boards whose postings are listed.
const mostBoards = 100

// readEach runs work for each of the postings, a few at a time. It goes on past postings that cannot be read alone,
// unless these are so many that it is the answers that are at fault.
func (p *poll) readEach(ctx context.Context, ids []string, work func(ctx context.Context, i int) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(connectionReads)
	for i, id := range ids {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if err := acquire(gctx, p.d.reads); err != nil {
				return err
			}
			defer func() { <-p.d.reads }()
			err := work(gctx, i)
			return p.countRead(gctx, id, len(ids), err)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// countRead counts how the read of one of n postings ended. An error ends the poll.
func (p *poll) countRead(ctx context.Context, id string, n int, err error) error {
	defer p.advance(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil || errors.Is(err, errStale): // a newer answer was applied: all the better
		p.unanswered = 0
		p.done = min(p.done+1, p.total)
		p.result.read++
		p.tally.read(1)
		return nil
	case !concernsOne(ctx, err):
		return err
	case isUnanswered(err):
		if p.unanswered++; p.unanswered >= mostUnanswered { // it is not one posting then that Ashby fails on
			return err
		}
	}
	p.result.unread++
	p.unread = append(p.unread, id)
	if p.result.unread > max(3, n/10) {
		return fmt.Errorf("%d postings cannot be read, the last: %w", p.result.unread, err)
	}
	p.d.log.WarnContext(ctx, "posting not read", "posting", id, "error", err)
	return nil
}

// readRow reads a posting that the listing shows as new or changed.
func (p *poll) readRow(ctx context.Context, row *ashby.Posting) error {
	read, err := p.readPosting(ctx, row.ID)
	if isNotFound(err) { // deleted in between, or a contradiction: the next listing tells
		return fmt.Errorf("%w: posting %s is listed and unknown", mirror.ErrImplausible, row.ID)
	}
	if err != nil {
		return err
	}
	read.row = row
	return p.expecting(ashby.KindPosting).applyPosting(ctx, read, mirror.Unit{})
}

// seen is what a complete listing showed.
type seen struct {
	ids map[string]bool
	// blind says that a row could not even be told by its id, so that no absence is certain.
	blind bool
}

func seenIn(list ashby.PostingList) seen {
	s := seen{ids: make(map[string]bool, len(list.Records)+len(list.Bad))}
	for _, rec := range list.Records {
		s.ids[rec.ID] = true
	}
	for _, b := range list.Bad {
		s.ids[b.ID] = true
		s.blind = s.blind || b.ID == ""
	}
	return s
}

func (s seen) has(id string) bool { return s.blind || s.ids[id] }

// vanishedFrom counts the public jobs and names those that a listing lacks.
func vanishedFrom(listings map[string]mirror.Listing, s seen) (public int, vanished []string) {
	for id, l := range listings {
		if l.State != mirror.StateOpen {
			continue
		}
		public++
		if !s.has(id) {
			vanished = append(vanished, id)
		}
	}
	return public, vanished
}

// reviewAbsence decides what becomes of the public jobs that the listing lacks: a few are read and closed where the
// read confirms it; many at once are held until a second listing agrees.
func (p *poll) reviewAbsence(ctx context.Context, s seen, listed time.Time) error {
	if s.blind {
		return nil
	}
	hold, err := p.d.s.opts.Progress.Hold(ctx, p.connection.ID)
	if err != nil {
		return fmt.Errorf("reading the hold: %w", err)
	}
	public, vanished := vanishedFrom(p.listings, s)
	confirm, set, over := p.d.s.review(hold, public, vanished, listed)
	p.result.vanished, p.result.held = len(vanished), held(hold, set, over)
	if set != nil {
		p.d.s.opts.Metrics.held.Add(float64(len(set.Postings)))
		p.d.log.WarnContext(ctx, "closing held", "postings", len(set.Postings), "public", public)
	}
	if err := p.applyHold(ctx, mirror.Unit{SetHold: set, EndHold: endIf(over)}); err != nil {
		return err
	}
	before := p.result.unread
	if err := p.readEach(ctx, confirm, func(ctx context.Context, i int) error {
		return p.confirmAbsent(ctx, confirm[i])
	}); err != nil {
		return err
	}
	if p.result.held > 0 && len(confirm) == len(vanished) && p.result.unread == before {
		return p.endHold(ctx, confirm)
	}
	return nil
}

// endHold ends a hold whose postings were all read, if the reads closed them. Where they contradict the listing and show
// some as public, it stays until these are listed again; another listing soon would tell nothing new.
func (p *poll) endHold(ctx context.Context, confirmed []string) error {
	p.result.held = 0
	now, err := p.d.s.opts.Store.Listings(ctx, p.connection.ID)
	if err != nil {
		return fmt.Errorf("reading the listings again: %w", err)
	}
	open := 0
	for _, id := range confirmed {
		if now[id].State == mirror.StateOpen {
			open++
		}
	}
	if open > 0 {
		p.d.log.WarnContext(ctx, "the listing lacks postings that their reads show as public", "postings", open)
		return nil
	}
	return p.applyHold(ctx, mirror.Unit{EndHold: mirror.HoldConfirmed})
}

// endIf is how a hold ends whose postings are back.
func endIf(over bool) string {
	if over {
		return mirror.HoldRecovered
	}
	return ""
}

// held is how many postings are held after a review.
func held(hold, set *mirror.Hold, over bool) int {
	switch {
	case set != nil:
		hold = set
	case hold == nil || over:
		return 0
	}
	if hold.State == mirror.HoldRejected { // a person has decided: nothing waits
		return 0
	}
	return len(hold.Postings)
}

func (p *poll) applyHold(ctx context.Context, u mirror.Unit) error {
	p.d.applying.Lock()
	defer p.d.applying.Unlock()
	return p.apply(ctx, u)
}

// confirmAbsent reads a posting that the complete listing lacked. Whatever the read shows is applied: only a read that
// shows it unpublished, unlisted, internal or unknown closes it.
func (p *poll) confirmAbsent(ctx context.Context, id string) error {
	asked, r := time.Now(), p.expecting(ashby.KindPosting)
	read, err := r.readPosting(ctx, id)
	if isNotFound(err) {
		return r.applyGone(ctx, id, asked, evidence{asked, events.ProofInfo}, mirror.Unit{})
	}
	if err != nil {
		return err
	}
	return r.applyPosting(ctx, read, mirror.Unit{})
}
