package syncer

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// mostPages ends a pass that would otherwise go on for ever: Ashby gives 100 rows a page.
const mostPages = 10_000

// readKind reads one paged kind: what changed since the stored token, or everything where there is none or it is not
// taken any more. What is stored stays until something newer is there.
func (p *poll) readKind(ctx context.Context, res ashby.Resource) error {
	token, err := p.token(ctx, res)
	if err != nil {
		return err
	}
	err = p.readPages(ctx, res, token)
	if errors.Is(err, ashby.ErrRestart) {
		p.d.log.InfoContext(ctx, "reading everything again", "kind", res.Kind, "error", err)
		err = p.readPages(ctx, res, "")
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", res.List, err)
	}
	return nil
}

// token is the stored token, empty where there is none for these parameters.
func (p *poll) token(ctx context.Context, res ashby.Resource) (string, error) {
	if !res.SyncToken {
		return "", nil
	}
	t, err := p.d.s.opts.Progress.Token(ctx, p.connection.ID, string(res.Kind), "")
	switch {
	case errors.Is(err, mirror.ErrNotFound):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("reading the sync token: %w", err)
	case !bytes.Equal(t.ParamsHash, ashby.ParamsHash(res.Kind, "")):
		return "", nil
	}
	return t.Token, nil
}

// readPages reads a pass page by page; each page is applied before the next is asked for. The token is stored with the
// last one, so that a pass that was cut short begins again from the token before it.
func (p *poll) readPages(ctx context.Context, res ashby.Resource, token string) error {
	cursors := map[string]bool{}
	cursor, rows, bad := "", 0, 0
	for {
		page, err := p.client.Page(ctx, res.Kind, ashby.PageRequest{Cursor: cursor, SyncToken: token})
		if err != nil {
			return err
		}
		rows, bad = rows+len(page.Records), bad+len(page.Bad)
		for _, b := range page.Bad {
			p.badRow(ctx, res.Kind, b.ID, b.Err)
		}
		var u mirror.Unit
		if page.Next == "" {
			u.Token = nextToken(res, token, page.SyncToken, rows, bad)
		}
		if err := p.applyRows(ctx, res.Kind, page.Records, u); err != nil {
			return err
		}
		p.advance(ctx)
		if page.Next == "" {
			return nil
		}
		if cursors[page.Next] || len(cursors) == mostPages {
			return errCursorLoop
		}
		cursors[page.Next] = true
		cursor = page.Next
	}
}

// nextToken is the token to store at the end of a pass, nil to keep the old one: a pass that brought nothing leaves
// the old one as good as the new, and rows that could not be read are to come again.
func nextToken(res ashby.Resource, old, next string, rows, bad int) *mirror.Token {
	if !res.SyncToken || next == "" || next == old || bad > 0 || old != "" && rows == 0 {
		return nil
	}
	return &mirror.Token{Kind: string(res.Kind), ParamsHash: ashby.ParamsHash(res.Kind, ""), Token: next}
}

// applyRows applies the rows of a page that differ from what is stored, with what they mean for postings, and u.
func (p *poll) applyRows(ctx context.Context, kind ashby.Kind, rows []ashby.Record, u mirror.Unit) error {
	p.d.applying.Lock()
	defer p.d.applying.Unlock()
	if _, err := p.loadHeads(ctx, kind); err != nil {
		return err
	}
	fresh := rows[:0:0]
	for _, row := range rows {
		if p.d.admit(keyFor(kind, row.ID), row.SentAt) {
			fresh = append(fresh, row)
		}
	}
	return p.applyRecords(ctx, kind, fresh, u)
}

// applyRecords applies admitted records of a kind without publication state of its own. The caller holds d.applying.
func (r *run) applyRecords(ctx context.Context, kind ashby.Kind, rows []ashby.Record, u mirror.Unit) error {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	stored, err := r.stored(ctx, kind, ids)
	if err != nil {
		return err
	}
	var c change
	for _, row := range rows {
		rec := record(row)
		if !differs(rec, stored) {
			continue
		}
		u.Upserts = append(u.Upserts, rec)
		c.observed = row.SentAt
	}
	if err := r.consequences(ctx, kind, u.Upserts, &c); err != nil {
		return err
	}
	return r.commit(ctx, u, c)
}
