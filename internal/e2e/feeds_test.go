package e2e

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bebitcoiner/ashbridge/schema/events"
	"github.com/bebitcoiner/ashbridge/schema/events/eventstest"
)

// feedDoc is what the tests look at of a feed.
type feedDoc struct {
	ID    string `json:"id"`
	Token string `json:"token"`
	URLs  struct {
		JSON string `json:"json"`
		XML  string `json:"xml"`
		RSS  string `json:"rss"`
	} `json:"urls"`
}

// feed makes a feed of the employers, of all if none is given.
func (a *api) feed(employers ...string) feedDoc {
	a.t.Helper()
	var f feedDoc
	a.must(http.StatusCreated, http.MethodPost, "/v1/feeds", map[string]any{"name": "A & B", "employers": employers}).decode(a.t, &f)
	return f
}

// fetch reads a feed as a board does: with its address and nothing else.
func (a *api) fetch(url, tag string) (reply, error) {
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return reply{}, err
	}
	if tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	res, err := a.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return reply{Status: res.StatusCode, Header: res.Header, Body: body}, err
}

// fed is a feed's JSON as a board reads it: by posting.
func (a *api) fed(f feedDoc) (jobs map[string]feedItem, tag string) {
	a.t.Helper()
	r, err := a.fetch(f.URLs.JSON, "")
	if err != nil || r.Status != http.StatusOK {
		a.t.Fatalf("reading a feed: %d %s, %v", r.Status, r.Body, err)
	}
	var doc struct {
		Jobs []feedItem `json:"jobs"`
	}
	r.decode(a.t, &doc)
	jobs = map[string]feedItem{}
	for _, j := range doc.Jobs {
		var key struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(j.Job, &key); err != nil {
			a.t.Fatal(err)
		}
		jobs[key.ID] = j
	}
	if len(jobs) != len(doc.Jobs) {
		a.t.Errorf("%d jobs, %d different ones", len(doc.Jobs), len(jobs))
	}
	return jobs, r.Header.Get("ETag")
}

type feedItem struct {
	Job     json.RawMessage `json:"job"`
	Version int64           `json:"version"`
	State   string          `json:"state"`
}

func (i feedItem) title(t testing.TB) string {
	t.Helper()
	var j struct {
		Title string `json:"title"`
	}
	if err := json.Unmarshal(i.Job, &j); err != nil {
		t.Fatal(err)
	}
	return j.Title
}

func TestFeeds(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 12)
	other := s.sim.AddOrganization("other", "Other & Söhne <Ltd>")
	other.Generate(3)
	o := s.connect(other, "other-1")
	s.synced(o)
	all, one := s.feed(), s.feed(o.id)

	jobs, tag := s.fed(all)
	stream := folded(s.agreed(e, o))
	if len(jobs) != 15 {
		t.Fatalf("%d jobs", len(jobs))
	}
	for id, item := range jobs {
		s.sameJob(stream, id, item)
	}
	if few, _ := s.fed(one); len(few) != 3 {
		t.Errorf("%d jobs of one employer", len(few))
	}
	s.readable(all, 15)
	r, err := s.fetch(all.URLs.JSON, tag)
	if err != nil || r.Status != http.StatusNotModified || r.Header.Get("Ashbridge-Verified-At") == "" {
		t.Errorf("unchanged: %d %v, %v", r.Status, r.Header, err)
	}

	// hears waits until the feed differs from what the tag names and returns it.
	hears := func(what string) map[string]feedItem {
		t.Helper()
		s.eventually(what+" changes the feed", func() error {
			r, err := s.fetch(all.URLs.JSON, tag)
			if err == nil && r.Status != http.StatusOK {
				err = fmt.Errorf("%d", r.Status)
			}
			return err
		})
		var now map[string]feedItem
		now, tag = s.fed(all)
		return now
	}
	p := first(t, e.org)
	const title = `Chief ]]> "Bridge" & <script>alert(1)</script> 👷 Builder`
	e.org.Retitle(p.ID, title)
	if got := hears("a new title")[p.ID]; got.title(t) != title || got.Version != 2 {
		t.Errorf("title %q, version %d", got.title(t), got.Version)
	}
	s.readable(all, 15)
	e.org.Unpublish(p.ID)
	if now := hears("a closed job"); len(now) != 14 || now[p.ID].State != "" {
		t.Errorf("%d jobs after one closed", len(now))
	}
	s.must(http.StatusOK, http.MethodDelete, "/v1/connections/"+o.id+"?jobs=keep", nil)
	if few, _ := s.fed(one); len(few) != 3 {
		t.Errorf("%d jobs of an employer who left and let them stand", len(few))
	}
	s.revoked(all, one)
}

// sameJob requires that a feed shows the job of the stream's last message, and one that the contract allows.
func (s *system) sameJob(stream map[string]message, id string, item feedItem) {
	s.t.Helper()
	var key struct {
		Connection string `json:"connection"`
	}
	if err := json.Unmarshal(item.Job, &key); err != nil {
		s.t.Fatal(err)
	}
	m, ok := stream[events.JobSubject(key.Connection, id)]
	if !ok {
		s.t.Errorf("%s is not on the stream", id)
		return
	}
	var event, data map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(m.Raw, &event), json.Unmarshal(m.Event.Data, &data)); err != nil {
		s.t.Fatal(err)
	}
	var want, got any
	if err := errors.Join(json.Unmarshal(data["job"], &want), json.Unmarshal(item.Job, &got)); err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || item.Version != m.Job.Version || item.State != "open" {
		s.t.Errorf("%s: version %d, %s: %s", id, item.Version, item.State, diff)
	}
	data["job"] = item.Job
	raw, err := json.Marshal(data)
	if err != nil {
		s.t.Fatal(err)
	}
	event["data"] = raw
	if raw, err = json.Marshal(event); err != nil {
		s.t.Fatal(err)
	}
	eventstest.Validate(s.t, raw)
}

// readable requires that XML and RSS can be read and show n jobs.
func (s *system) readable(f feedDoc, n int) {
	s.t.Helper()
	jobs, _ := s.fed(f)
	var source struct {
		Publisher string `xml:"publisher"`
		Jobs      []struct {
			Title     string `xml:"title"`
			Reference string `xml:"referencenumber"`
			Company   string `xml:"company"`
		} `xml:"job"`
	}
	var rss struct {
		Title string `xml:"channel>title"`
		Items []struct {
			Title string `xml:"title"`
			GUID  string `xml:"guid"`
		} `xml:"channel>item"`
	}
	for url, into := range map[string]any{f.URLs.XML: &source, f.URLs.RSS: &rss} {
		r, err := s.fetch(url, "")
		if err != nil || r.Status != http.StatusOK {
			s.t.Fatalf("%d %v", r.Status, err)
		}
		if err := xml.Unmarshal(r.Body, into); err != nil {
			s.t.Fatalf("%v: %s", err, r.Body)
		}
	}
	if source.Publisher != "A & B" || rss.Title != "A & B" || len(rss.Items) != n {
		s.t.Errorf("%q, %q, %d items", source.Publisher, rss.Title, len(rss.Items))
	}
	named := map[string]bool{}
	for _, j := range source.Jobs {
		if named[j.Reference] {
			s.t.Errorf("the number %s twice", j.Reference)
		}
		named[j.Reference] = true
		if item, ok := jobs[j.Reference]; ok && (item.title(s.t) != j.Title || j.Company == "") {
			s.t.Errorf("%+v", j)
		}
	}
	for id := range jobs {
		if !named[id] {
			s.t.Errorf("%s is not in the XML", id)
		}
	}
}

// revoked requires that an address is nothing once the feed has another one or none, and that nobody wrote one down.
func (s *system) revoked(rotated, deleted feedDoc) {
	s.t.Helper()
	var fresh feedDoc
	s.must(http.StatusOK, http.MethodPost, "/v1/feeds/"+rotated.ID+"/rotate", nil).decode(s.t, &fresh)
	s.must(http.StatusNoContent, http.MethodDelete, "/v1/feeds/"+deleted.ID, nil)
	for _, f := range []feedDoc{rotated, deleted} {
		if r, err := s.fetch(f.URLs.RSS, "*"); err != nil || r.Status != http.StatusNotFound {
			s.t.Errorf("a revoked address: %d %s, %v", r.Status, r.Body, err)
		}
	}
	s.fed(fresh)
	list := s.must(http.StatusOK, http.MethodGet, "/v1/feeds", nil).Body
	if !bytes.Contains(list, []byte(`"last_read_at":"2`)) {
		s.t.Errorf("nobody noted that a feed was read: %s", list)
	}
	metrics := httptest.NewRecorder()
	promhttp.HandlerFor(s.reg, promhttp.HandlerOpts{}).ServeHTTP(metrics, httptest.NewRequest(http.MethodGet, "/", nil))
	for _, f := range []feedDoc{rotated, deleted, fresh} {
		for where, text := range map[string]string{"logs": string(s.logs.bytes()), "metrics": metrics.Body.String(), "list": string(list)} {
			if strings.Contains(text, f.Token) {
				s.t.Errorf("a token is in the %s", where)
			}
		}
	}
}
