package syncer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// vendor is Ashby, as far as the syncer calls it. An answer is taken from the state of the moment of the call and may
// be held back afterwards, so that tests can let answers overtake each other.
type vendor struct {
	mu    sync.Mutex
	docs  map[ashby.Kind]map[string]*doc
	seq   int
	calls []string
	bad   map[string]bool // keys that are refused
	// page is how many rows a page has.
	page int
	// fault is asked before each call; an error is the call's answer.
	fault func(method, id string) error
	// hold is called with the answer in hand, before it is given.
	hold func(ctx context.Context, method, id string)
	// list may change the listing of postings.
	list func(l *ashby.PostingList)
	// bare leaves the job off the answers on single postings.
	bare bool
}

type doc struct {
	fields map[string]any
	seq    int
}

func newVendor() *vendor {
	v := &vendor{docs: map[ashby.Kind]map[string]*doc{}, bad: map[string]bool{}, page: 100}
	for _, res := range ashby.Catalogue() {
		v.docs[res.Kind] = map[string]*doc{}
	}
	v.put(ashby.KindLocation, "loc", map[string]any{"name": "Berlin"})
	v.put(ashby.KindDepartment, "dep", map[string]any{"name": "Engineering"})
	return v
}

// put sets fields of an object, which is made if it is not there.
func (v *vendor) put(kind ashby.Kind, id string, fields map[string]any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	d := v.docs[kind][id]
	if d == nil {
		d = &doc{fields: map[string]any{"id": id}}
		v.docs[kind][id] = d
	}
	v.seq++
	d.seq = v.seq
	maps.Copy(d.fields, fields)
	if kind == ashby.KindPosting || kind == ashby.KindJob {
		d.fields["updatedAt"] = time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	}
}

// publish makes a public posting with a job of its own.
func (v *vendor) publish(ids ...string) {
	for _, id := range ids {
		v.put(ashby.KindJob, "job-"+id, map[string]any{"title": "Job " + id, "status": "Open", "confidential": false})
		v.post(id, "job-"+id)
	}
}

// post makes a public posting of a job.
func (v *vendor) post(id, job string) {
	v.put(ashby.KindPosting, id, map[string]any{
		"title": "Posting " + id, "jobId": job, "status": "Published", "isListed": true, "departmentName": "Engineering",
		"locationName": "Berlin", "locationIds": map[string]any{"primaryLocationId": "loc", "secondaryLocationIds": []string{}},
		"publishedDate": "2026-11-01", "externalLink": "https://jobs.example/" + id, "applyLink": "https://jobs.example/" + id,
		"descriptionHtml": "<p>All about " + id + "</p>",
	})
}

func (v *vendor) remove(kind ashby.Kind, id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.docs[kind], id)
}

// called returns the calls so far, and forgets them.
func (v *vendor) called() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	calls := v.calls
	v.calls = nil
	return calls
}

func (v *vendor) setFault(f func(method, id string) error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fault = f
}

func (v *vendor) setList(f func(l *ashby.PostingList)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.list = f
}

func (v *vendor) setHold(f func(ctx context.Context, method, id string)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hold = f
}

// client is what one key may see.
type client struct {
	v   *vendor
	key string
}

// answer runs a call: read is called under the lock, at the moment of the call.
func answer[T any](ctx context.Context, c client, method, id string, read func() (T, error)) (T, error) {
	var zero T
	v := c.v
	v.mu.Lock()
	v.calls = append(v.calls, strings.TrimSpace(method+" "+id))
	fault, hold := v.fault, v.hold
	if v.bad[c.key] {
		v.mu.Unlock()
		return zero, &ashby.APIError{Method: method, Status: 403, Reason: ashby.ErrUnauthorized}
	}
	if fault != nil {
		if err := fault(method, id); err != nil {
			v.mu.Unlock()
			return zero, err
		}
	}
	got, err := read()
	v.mu.Unlock()
	if hold != nil {
		hold(ctx, method, id)
	}
	if ctx.Err() != nil {
		return zero, ctx.Err()
	}
	return got, err
}

// record is an object as Ashby sends it, without the fields left out.
func (v *vendor) record(kind ashby.Kind, id string, without ...string) (ashby.Record, error) {
	d := v.docs[kind][id]
	if d == nil {
		return ashby.Record{}, &ashby.APIError{Method: string(kind), Status: 200, Code: "not_found", Reason: ashby.ErrNotFound}
	}
	fields := maps.Clone(d.fields)
	for _, f := range without {
		delete(fields, f)
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return ashby.Record{}, err
	}
	rec := ashby.Record{Kind: kind, ID: id, Raw: raw, SentAt: time.Now()}
	if s, ok := fields["updatedAt"].(string); ok {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return ashby.Record{}, err
		}
		rec.UpdatedAt = &at
	}
	return rec, nil
}

func (c client) Postings(ctx context.Context, _ ...string) (ashby.PostingList, error) {
	return answer(ctx, c, "jobPosting.list", "", func() (ashby.PostingList, error) {
		list := ashby.PostingList{SentAt: time.Now()}
		for _, id := range slices.Sorted(maps.Keys(c.v.docs[ashby.KindPosting])) {
			if c.v.docs[ashby.KindPosting][id].fields["status"] == "Draft" {
				continue
			}
			rec, err := c.v.record(ashby.KindPosting, id, "descriptionHtml")
			if err != nil {
				return list, err
			}
			list.Records = append(list.Records, rec)
		}
		if c.v.list != nil {
			c.v.list(&list)
		}
		return list, nil
	})
}

func (c client) Posting(ctx context.Context, id string) (ashby.PostingAnswer, error) {
	return answer(ctx, c, "jobPosting.info", id, func() (ashby.PostingAnswer, error) {
		rec, err := c.v.record(ashby.KindPosting, id)
		if err != nil {
			return ashby.PostingAnswer{}, err
		}
		a := ashby.PostingAnswer{Posting: rec, SentAt: rec.SentAt}
		job, _ := c.v.docs[ashby.KindPosting][id].fields["jobId"].(string)
		if c.v.docs[ashby.KindJob][job] == nil || c.v.bare {
			return a, nil
		}
		j, err := c.v.record(ashby.KindJob, job)
		a.Job = &j
		return a, err
	})
}

func (c client) Info(ctx context.Context, kind ashby.Kind, id string) (ashby.Record, error) {
	return answer(ctx, c, string(kind)+".info", id, func() (ashby.Record, error) { return c.v.record(kind, id) })
}

// Page pages by number; a token is the sequence number of the latest change.
func (c client) Page(ctx context.Context, kind ashby.Kind, req ashby.PageRequest) (ashby.Page, error) {
	return answer(ctx, c, string(kind)+".list", req.Cursor, func() (ashby.Page, error) {
		since, _ := strconv.Atoi(req.SyncToken)
		var ids []string
		for _, id := range slices.Sorted(maps.Keys(c.v.docs[kind])) {
			if c.v.docs[kind][id].seq > since {
				ids = append(ids, id)
			}
		}
		from, _ := strconv.Atoi(req.Cursor)
		to := min(from+c.v.page, len(ids))
		page := ashby.Page{SentAt: time.Now(), SyncToken: strconv.Itoa(c.v.seq)}
		if to < len(ids) {
			page.Next, page.SyncToken = strconv.Itoa(to), ""
		}
		for _, id := range ids[from:to] {
			rec, err := c.v.record(kind, id)
			if err != nil {
				return page, err
			}
			page.Records = append(page.Records, rec)
		}
		return page, nil
	})
}

// failing makes a fault of calls to one method, all with an empty method.
func failing(method string, reason error) func(m, id string) error {
	return func(m, _ string) error {
		if method != "" && m != method {
			return nil
		}
		if reason == ashby.ErrRateLimited { //nolint:errorlint // a table's value, not a chain
			return &ashby.RateLimitError{APIError: &ashby.APIError{Method: m, Status: 429, Reason: reason}, RetryAfter: 20 * time.Second}
		}
		return &ashby.APIError{Method: m, Reason: reason, Cause: fmt.Errorf("made up")}
	}
}
