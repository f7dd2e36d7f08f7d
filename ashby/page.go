package ashby

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// pageSize is the most that Ashby gives in a page.
const pageSize = 100

// PageRequest says which page to read. The zero PageRequest is the first page of everything.
type PageRequest struct {
	// Cursor is the Next of the page before.
	Cursor string
	// SyncToken limits the pass to what changed since the pass that ended with it. Give the same one with each page of a
	// pass; ParamsHash says what it is bound to.
	SyncToken string
}

// Page is a page of a listing.
type Page struct {
	Records []Record
	// Next is the cursor of the next page, empty at the end. Ashby promises nothing about cursors: who follows them
	// must stop at one that was there before.
	Next string
	// SyncToken comes with the last page; an incremental pass without changes may have none, and then the old one stays
	// good. Store it only once the whole pass is stored.
	SyncToken string
	SentAt    time.Time
	// Bad are the rows that could not be read.
	Bad []BadRow
}

// Page reads one page of a paged kind. ErrRestart means that the pass must begin again with neither token nor cursor.
//
// https://developers.ashbyhq.com/docs/pagination-and-incremental-sync
func (c *Client) Page(ctx context.Context, kind Kind, p PageRequest) (Page, error) {
	r, ok := resourceOf(kind)
	if !ok || !r.Paged {
		return Page{}, fmt.Errorf("ashby: the kind %q has no pages", kind)
	}
	params := with(r.ListParams, "limit", pageSize)
	if p.Cursor != "" {
		params["cursor"] = p.Cursor
	}
	if p.SyncToken != "" && r.SyncToken {
		params["syncToken"] = p.SyncToken
	}
	a, err := c.call(ctx, r.List, params)
	if err != nil {
		return Page{}, err
	}
	page := Page{Next: a.next, SentAt: a.sentAt}
	if page.Next == "" {
		page.SyncToken = a.syncToken
	}
	if page.Records, page.Bad, err = rows(r, a); err != nil {
		return Page{}, err
	}
	return page, nil
}

// Info reads one object. The answer must be the object asked for, else the error matches ErrMalformed. ErrNotFound:
// there is none that this key may see.
func (c *Client) Info(ctx context.Context, kind Kind, id string) (Record, error) {
	r, ok := resourceOf(kind)
	if !ok {
		return Record{}, fmt.Errorf("ashby: unknown kind %q", kind)
	}
	if kind == KindPosting {
		a, err := c.Posting(ctx, id)
		return a.Posting, err
	}
	a, err := c.call(ctx, r.Info, with(r.InfoParams, r.IDParam, id))
	if err != nil {
		return Record{}, err
	}
	return one(r, a, id)
}

// one reads the answer of an info method.
func one(r Resource, a answer, id string) (Record, error) {
	record, err := row(r, a.results, a.sentAt)
	if err != nil {
		return Record{}, &APIError{Method: r.Info, Reason: ErrMalformed, Cause: err}
	}
	if record.ID != id {
		return Record{}, &APIError{Method: r.Info, Reason: ErrMalformed, Message: "the answer is another object"}
	}
	return record, nil
}

// with returns a copy of params with one more.
func with(params map[string]any, name string, value any) map[string]any {
	all := maps.Clone(params)
	if all == nil {
		all = map[string]any{}
	}
	all[name] = value
	return all
}
