package ashby

import (
	"context"
	"encoding/json"
	"maps"
	"time"
)

// mostPages bounds a listing that should have one page alone.
const mostPages = 1000

// PostingList is a complete listing of the published postings, listed and unlisted, of the primary external board.
type PostingList struct {
	// Records have the list shape: no description, address or pay tiers.
	Records []Record
	// SentAt is when the first request was sent.
	SentAt time.Time
	// Bad are rows that could not be read: they exist, so their absence from Records says nothing.
	Bad []BadRow
}

// Postings lists all published postings. Whatever is not certainly the whole list is an error. Ashby documents no
// paging here; should pages appear, they are followed.
//
// https://developers.ashbyhq.com/reference/jobpostinglist
func (c *Client) Postings(ctx context.Context) (PostingList, error) {
	r, _ := resourceOf(KindPosting)
	var list PostingList
	params, seen := r.ListParams, map[string]bool{}
	for {
		a, err := c.call(ctx, r.List, params)
		if err != nil {
			return PostingList{}, err
		}
		records, bad, err := rows(r, a)
		if err != nil {
			return PostingList{}, err
		}
		if list.SentAt.IsZero() {
			list.SentAt = a.sentAt
		}
		list.Records, list.Bad = append(list.Records, records...), append(list.Bad, bad...)
		if a.next == "" {
			list.Records = unique(list.Records)
			return list, nil
		}
		if seen[a.next] || len(seen) == mostPages {
			return PostingList{}, &APIError{Method: r.List, Reason: ErrMalformed, Message: "the cursors do not end"}
		}
		seen[a.next] = true
		params = maps.Clone(r.ListParams)
		params["cursor"] = a.next
	}
}

// PostingAnswer is a posting with the job it belongs to.
type PostingAnswer struct {
	// Posting is the posting, draft or published, without the job.
	Posting Record
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
	job, err := row(of, nested, a.sentAt)
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
	answer.Job = &job
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
