package syncer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// mostPages ends a pass that would otherwise go on for ever: Ashby gives 100 rows a page.
const mostPages = 50_000

// reading is a pass in work: what changed since the stored token, or everything where there is none or it is not taken
// any more. Each page is applied together with the cursor behind it before the next is asked for, so that a pass that was
// cut short goes on where it was. What is stored stays until something newer is there.
type reading struct {
	*run
	l    listing
	pass mirror.Pass
	// stored says that the pass is in the store; one that ends with its first page never gets there.
	stored bool
	// seen are the ids of the only page, where the pass is not stored.
	seen      map[string]bool
	cursors   map[string]bool
	restarted bool
	// unanswered counts absent records in a row whose reads Ashby did not answer.
	unanswered int
	budget     *budget
}

// readListing reads a listing, or goes on where it was cut short. A sweep reads everything beside the incremental passes
// and finds what is gone. False without an error: the budget is used up.
func (r *run) readListing(ctx context.Context, l listing, sweep bool, b *budget) (bool, error) {
	turn := r.d.turn(l.key(sweep))
	if err := acquire(ctx, turn); err != nil {
		return false, err
	}
	defer func() { <-turn }()
	rd := &reading{run: r, l: l, budget: b, cursors: map[string]bool{}}
	done, err := rd.read(ctx, sweep)
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", l.res.List, err)
	}
	return done, nil
}

func (rd *reading) read(ctx context.Context, sweep bool) (bool, error) {
	if err := rd.open(ctx, sweep); err != nil {
		return false, err
	}
	for !rd.pass.ReadAll {
		if !rd.budget.take() {
			return false, nil
		}
		err := rd.page(ctx)
		if err != nil && !rd.restarted && rd.wantsRestart(ctx, err) {
			err = rd.restart(ctx, err)
		}
		if err != nil {
			return false, err
		}
	}
	if !rd.pass.IsFull() {
		return true, nil
	}
	return rd.settleAbsent(ctx)
}

// open goes on with the pass that is under way, or begins one.
func (rd *reading) open(ctx context.Context, sweep bool) error {
	key, hash := rd.l.key(sweep), ashby.ParamsHash(rd.l.res.Kind, rd.l.variant)
	p, err := rd.d.s.opts.Passes.Pass(ctx, rd.connection.ID, key)
	if err != nil {
		return fmt.Errorf("finding the pass: %w", err)
	}
	if p != nil && bytes.Equal(p.ParamsHash, hash) {
		rd.pass, rd.stored = *p, true
		return nil
	}
	if p != nil { // of an older program, with other parameters
		if err := rd.forget(ctx, *p); err != nil {
			return err
		}
	}
	rd.pass = mirror.Pass{PassKey: key, ParamsHash: hash, StartedAt: time.Now()}
	if !sweep {
		rd.pass.Token, err = rd.token(ctx)
	}
	return err
}

// token is the stored token, empty where there is none for these parameters.
func (rd *reading) token(ctx context.Context) (string, error) {
	if !rd.l.res.SyncToken {
		return "", nil
	}
	t, err := rd.d.s.opts.Passes.Token(ctx, rd.connection.ID, rd.l.kind(), rd.l.variant)
	switch {
	case errors.Is(err, mirror.ErrNotFound):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("reading the sync token: %w", err)
	case !bytes.Equal(t.ParamsHash, rd.pass.ParamsHash):
		return "", nil
	}
	return t.Token, nil
}

// forget drops a pass and what it saw.
func (rd *reading) forget(ctx context.Context, p mirror.Pass) error {
	rd.d.applying.Lock()
	defer rd.d.applying.Unlock()
	return rd.apply(ctx, mirror.Unit{Pass: &mirror.PassStep{Pass: p, Done: true}})
}

// wantsRestart says that a pass cannot go on from where it is: Ashby says so, refuses the cursor in other words, or the
// pass has not come on for a day.
func (rd *reading) wantsRestart(ctx context.Context, err error) bool {
	switch {
	case errors.Is(err, ashby.ErrRestart):
		return true
	case rd.pass.Cursor == "" || !concernsOne(ctx, err):
		return false
	}
	return errors.Is(err, ashby.ErrRefused) || time.Since(rd.pass.StartedAt) >= day
}

// restart begins again with everything, once: token or cursor are of no use any more.
func (rd *reading) restart(ctx context.Context, because error) error {
	rd.d.log.InfoContext(ctx, "reading everything again", "kind", rd.l.kind(), "error", because)
	if rd.stored {
		if err := rd.forget(ctx, rd.pass); err != nil {
			return err
		}
	}
	rd.pass = mirror.Pass{PassKey: rd.pass.PassKey, ParamsHash: rd.pass.ParamsHash, StartedAt: time.Now()}
	rd.stored, rd.restarted, rd.seen, rd.cursors = false, true, nil, map[string]bool{}
	return nil
}

// page reads and applies one page.
func (rd *reading) page(ctx context.Context) error {
	page, err := rd.client.Page(ctx, rd.l.res.Kind, ashby.PageRequest{
		Cursor: rd.pass.Cursor, SyncToken: rd.pass.Token, Variant: rd.l.variant,
	})
	if err != nil && !isFewBad(page, err, rd.pass.Rows) {
		return err
	}
	next := rd.pass
	next.Pages++
	next.Rows, next.Bad = next.Rows+len(page.Records), next.Bad+len(page.Bad)
	next.Cursor, next.ReadAll = page.Next, page.Next == ""
	if rd.cursors[page.Next] || next.Pages >= mostPages {
		if rd.stored {
			err = rd.forget(ctx, rd.pass)
		}
		return errors.Join(errCursorLoop, err)
	}
	if !next.ReadAll {
		rd.cursors[page.Next] = true
	}
	u := mirror.Unit{Bad: rd.badRows(ctx, rd.l.res.Kind, page.Bad)}
	ids := idsOn(page)
	if next.ReadAll {
		u.Token = rd.endToken(page.SyncToken)
	}
	if rd.stored || !next.ReadAll || len(rd.l.res.Variants) > 0 {
		u.Pass = &mirror.PassStep{Pass: next, Done: next.ReadAll && !next.IsFull()}
		if next.IsFull() {
			u.Pass.Seen = ids
		}
	}
	if err := rd.applyPage(ctx, page.Records, u); err != nil {
		return err
	}
	rd.pass, rd.stored = next, u.Pass != nil && !u.Pass.Done
	if rd.pass.IsFull() && !rd.stored {
		rd.seen = make(map[string]bool, len(ids))
		for _, id := range ids {
			rd.seen[id] = true
		}
	}
	rd.tally.read(len(page.Records))
	return nil
}

// isFewBad says that no row of a page can be read, and that this is the rows' own fault: there are few of them, or earlier
// pages had good ones. Of a whole listing it is more likely that the answers are at fault.
func isFewBad(page ashby.Page, err error, good int) bool {
	return errors.Is(err, ashby.ErrMalformed) && len(page.Bad) > 0 && (good > 0 || len(page.Bad) <= fewBad)
}

// fewBad is how many rows may be unreadable without one that can be read.
const fewBad = 3

// idsOn are the ids that a page shows, those of unreadable rows too.
func idsOn(page ashby.Page) []string {
	ids := make([]string, 0, len(page.Records)+len(page.Bad))
	for _, r := range page.Records {
		ids = append(ids, r.ID)
	}
	for _, b := range page.Bad {
		if b.ID != "" {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// endToken is the token to store with the last page, nil to keep the stored one. A delta that brought nothing has a new
// token all the same, and whoever does not keep it stays behind for ever once the old one has expired. Rows that could
// not be read are in quarantine: those with an id are read again singly, others come with the next full reading.
func (rd *reading) endToken(next string) *mirror.Token {
	if !rd.l.res.SyncToken || rd.pass.Sweep || next == "" || next == rd.pass.Token {
		return nil
	}
	return &mirror.Token{Kind: rd.l.kind(), Variant: rd.l.variant, ParamsHash: rd.pass.ParamsHash, Token: next}
}

// applyPage applies the rows of a page that differ from what is stored, with what they mean for postings, and u.
func (rd *reading) applyPage(ctx context.Context, rows []ashby.Record, u mirror.Unit) error {
	rd.d.applying.Lock()
	defer rd.d.applying.Unlock()
	fresh := rows[:0:0]
	for _, row := range rows {
		if rd.d.admit(keyFor(rd.l.res.Kind, row.ID), row.SentAt) {
			fresh = append(fresh, row)
		}
	}
	r := rd.run
	if !rd.pass.IsFull() {
		r = r.expecting(rd.l.res.Kind)
	}
	return r.applyRecords(ctx, rd.l, fresh, u)
}
