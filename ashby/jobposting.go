package ashby

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// PostingList is a complete listing of the published postings, listed and unlisted, of one board or several.
type PostingList struct {
	// Records have the list shape: no description, address or pay tiers.
	Records []Record
	// SentAt is when the first request was sent.
	SentAt time.Time
	// Bad are rows that could not be read: they exist, so their absence from Records says nothing.
	Bad []BadRow
}

// Postings lists all published postings: those of the primary external board, which is Ashby's default, and of the
// boards given by id besides. Whatever is not certainly the whole list is an error, of whichever board. Ashby documents
// no paging here; should pages appear, they are followed.
//
// A posting on several boards is one record: the newest row, and of equally new ones the primary board's, since a row of
// an internal board lacks the external link. A posting that one of the listings shows in an unreadable row is in Bad alone.
//
// https://developers.ashbyhq.com/reference/jobpostinglist
func (c *Client) Postings(ctx context.Context, boards ...string) (PostingList, error) {
	r, _ := resourceOf(KindPosting)
	primary, err := c.whole(ctx, r, r.ListParams, "")
	if err != nil {
		return PostingList{Bad: primary.Bad}, err
	}
	list := PostingList{Records: primary.Records, SentAt: primary.SentAt, Bad: primary.Bad}
	if len(boards) == 0 {
		return list, nil
	}
	for _, board := range slices.Compact(slices.Sorted(slices.Values(boards))) {
		page, err := c.whole(ctx, r, with(r.ListParams, "jobBoardId", board), "")
		if err != nil {
			return PostingList{Bad: page.Bad}, fmt.Errorf("board %s: %w", board, err)
		}
		// Of equals the last is kept, so what was read before comes last.
		list.Records, list.Bad = append(page.Records, list.Records...), append(list.Bad, page.Bad...)
	}
	unread := map[string]bool{}
	for _, b := range list.Bad {
		unread[b.ID] = true
	}
	list.Records = slices.DeleteFunc(unique(list.Records), func(r Record) bool { return unread[r.ID] })
	return list, nil
}

// PostingAnswer is a posting with the job it belongs to.
type PostingAnswer struct {
	// Posting is the posting, draft or published, without the job.
	Posting Record
	// Decoded is what the posting says, nil where nobody has looked yet.
	Decoded *Posting
	// Job is nil where the answer had none.
	Job    *Record
	SentAt time.Time
}

// Posting reads one posting and its job, drafts included. ErrNotFound: there is none that this key may see.
//
// https://developers.ashbyhq.com/reference/jobpostinginfo
func (c *Client) Posting(ctx context.Context, id string) (PostingAnswer, error) {
	r, _ := resourceOf(KindPosting)
	a, err := c.call(ctx, r.Info, with(r.InfoParams, r.IDParam, id))
	if err != nil {
		return PostingAnswer{}, err
	}
	posting, nested, err := splitJob(a.results)
	if err != nil {
		return PostingAnswer{}, &APIError{Method: r.Info, Reason: ErrMalformed, Cause: err}
	}
	a.results = posting
	answer := PostingAnswer{SentAt: a.sentAt}
	if answer.Posting, err = one(r, a, id); err != nil {
		return PostingAnswer{}, err
	}
	if nested == nil {
		return answer, nil
	}
	of, _ := resourceOf(KindJob)
	job, err := row(of, nested, "", a.sentAt)
	if err != nil {
		return PostingAnswer{}, &APIError{Method: r.Info, Reason: ErrMalformed, Cause: err}
	}
	p, err := DecodePosting(answer.Posting.Raw)
	if err != nil {
		return PostingAnswer{}, &APIError{Method: r.Info, Reason: ErrMalformed, Cause: err}
	}
	if p.JobID != "" && p.JobID != job.ID {
		return PostingAnswer{}, &APIError{Method: r.Info, Reason: ErrMalformed, Message: "the job is another one than the posting's"}
	}
	answer.Decoded, answer.Job = &p, &job
	return answer, nil
}

// splitJob takes the expanded job out of a posting, so that a posting does not change when only its job does. The job
// is nil where there is none.
func splitJob(raw json.RawMessage) (posting, job json.RawMessage, err error) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, nil, err
	}
	job, ok := o["job"]
	if !ok {
		return raw, nil, nil
	}
	delete(o, "job")
	posting, err = encode(o)
	if isNull(job) {
		job = nil
	}
	return posting, job, err
}
