package ashby

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// pageSize is the most that Ashby gives in a page.
const pageSize = 100

const (
	// mostPages bounds a listing that should have one page alone.
	mostPages = 1000
	// fewBad is how many rows of a whole listing may be unreadable without one that can be read. Of more it is likely that
	// the answer is at fault, and not the rows.
	fewBad = 3
)

// PageRequest says which page to read. The zero PageRequest is the first page of everything.
type PageRequest struct {
	// Cursor is the Next of the page before.
	Cursor string
	// SyncToken limits the pass to what changed since the pass that ended with it. Give the same one with each page of a
	// pass; ParamsHash says what it is bound to.
	SyncToken string
	// Parent is the id of the object to read for, where the kind has a Parent; a pass is of one parent then.
	Parent string
	// Variant is the name of the reading, where the kind has Variants; a pass is of one variant then.
	Variant string
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
	// Bad are the rows that could not be read. Where no row of a page could be, Page returns an error that matches
	// ErrMalformed, and with it the rows and the way on.
	Bad []BadRow
}

// Page reads one page of any kind but posting. A kind that is not paged is one page, whatever Ashby makes of it: should
// cursors appear, they are followed. ErrRestart means that the pass must begin again with neither token nor cursor. Where
// there are rows and none can be read, the error matches ErrMalformed, and the Page holds these rows all the same.
//
// https://developers.ashbyhq.com/docs/pagination-and-incremental-sync
func (c *Client) Page(ctx context.Context, kind Kind, p PageRequest) (Page, error) {
	r, params, err := listRequest(kind, p)
	if err != nil {
		return Page{}, fmt.Errorf("ashby: a page of %q: %w", kind, err)
	}
	if !r.Paged {
		return c.whole(ctx, r, params, p.Parent)
	}
	params["limit"] = pageSize
	if p.SyncToken != "" && r.SyncToken {
		params["syncToken"] = p.SyncToken
	}
	return c.page(ctx, r, params, p.Cursor, p.Parent)
}

// listRequest checks a request and returns the parameters that it stands for.
func listRequest(kind Kind, p PageRequest) (Resource, map[string]any, error) {
	r, ok := resourceOf(kind)
	variant, hasVariant := r.variant(p.Variant)
	switch {
	case !ok:
		return r, nil, errors.New("the kind is unknown")
	case kind == KindPosting:
		return r, nil, errors.New("postings are listed whole")
	case !hasVariant:
		return r, nil, fmt.Errorf("there is no variant %q", p.Variant)
	case r.Parent == "" && p.Parent != "":
		return r, nil, errors.New("it is not read per parent")
	case r.Parent != "" && identifier(p.Parent) == "":
		return r, nil, fmt.Errorf("it is read per %s, and none is named", r.Parent)
	}
	params := union(r.ListParams, variant)
	if r.ParentParam != "" {
		params[r.ParentParam] = p.Parent
	}
	return r, params, nil
}

// page reads one page.
func (c *Client) page(ctx context.Context, r Resource, params map[string]any, cursor, parent string) (Page, error) {
	if cursor != "" {
		params = with(params, "cursor", cursor)
	}
	a, err := c.call(ctx, r.List, params)
	if err != nil {
		return Page{}, err
	}
	page := Page{Next: a.next, SentAt: a.sentAt}
	if page.Next == "" {
		page.SyncToken = a.syncToken
	}
	if page.Records, page.Bad, err = rows(r, a, parent); err != nil {
		page.Records = nil
		return page, err // with the way on: whoever knows that the fault is the rows' own may go on without them
	}
	return page, nil
}

// whole reads a listing to its end, as one page. Whatever is not certainly the whole is an error.
func (c *Client) whole(ctx context.Context, r Resource, params map[string]any, parent string) (Page, error) {
	var all Page
	seen := map[string]bool{}
	for cursor := ""; ; {
		page, err := c.page(ctx, r, params, cursor, parent)
		if err != nil && (r.Single || len(page.Bad) == 0 || len(page.Bad)+len(all.Bad) > fewBad && len(all.Records) == 0) {
			return Page{Bad: page.Bad}, err
		}
		if all.SentAt.IsZero() {
			all.SentAt = page.SentAt
		}
		all.Records, all.Bad = append(all.Records, page.Records...), append(all.Bad, page.Bad...)
		if page.Next == "" {
			all.Records = unique(all.Records)
			return all, nil
		}
		if seen[page.Next] || len(seen) == mostPages {
			return Page{}, &APIError{Method: r.List, Reason: ErrMalformed, Message: "the cursors do not end"}
		}
		seen[page.Next] = true
		cursor = page.Next
	}
}

// Info reads one object. The answer must be the object asked for, else the error matches ErrMalformed. ErrNotFound:
// there is none that this key may see.
func (c *Client) Info(ctx context.Context, kind Kind, id string) (Record, error) {
	r, _ := resourceOf(kind)
	if r.Info == "" {
		return Record{}, fmt.Errorf("ashby: no method reads one %q", kind)
	}
	if kind == KindPosting {
		a, err := c.Posting(ctx, id)
		return a.Posting, err
	}
	a, err := c.call(ctx, r.Info, with(r.InfoParams, r.IDParam, id))
	if err != nil {
		return Record{}, err
	}
	if len(r.InfoAlone) > 0 {
		r.Drop = slices.Concat(r.Drop, r.InfoAlone)
	}
	return one(r, a, id)
}

// one reads the answer of an info method.
func one(r Resource, a answer, id string) (Record, error) {
	record, err := row(r, a.results, "", a.sentAt)
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
	return union(params, map[string]any{name: value})
}
