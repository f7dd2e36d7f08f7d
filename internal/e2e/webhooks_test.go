package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// hook is a webhook as a board got it.
type hook struct {
	At     time.Time
	Header http.Header
	Raw    []byte
	Event  events.Event
	// Version is the data's.
	Version int64
	// Status is what it was answered with.
	Status int
}

// hookBoard is a job board's server that takes webhooks.
type hookBoard struct {
	*httptest.Server
	t testing.TB

	mu    sync.Mutex
	hooks []hook
	// answer says what is answered, 200 where nil. It is called without the lock.
	answer func(h hook) int
}

func newHookBoard(t testing.TB) *hookBoard {
	b := &hookBoard{t: t}
	b.Server = httptest.NewServer(http.HandlerFunc(b.take))
	t.Cleanup(func() { b.CloseClientConnections(); b.Close() })
	return b
}

func (b *hookBoard) take(w http.ResponseWriter, r *http.Request) {
	h := hook{At: time.Now(), Header: r.Header.Clone(), Status: http.StatusOK}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender was killed
	}
	var data struct{ Version int64 }
	if err := errors.Join(json.Unmarshal(raw, &h.Event), json.Unmarshal(h.Event.Data, &data)); err != nil {
		b.t.Errorf("a webhook that is no event: %v\n%s", err, raw)
	}
	h.Raw, h.Version = raw, data.Version
	b.mu.Lock()
	answer := b.answer
	b.mu.Unlock()
	if answer != nil {
		h.Status = answer(h)
	}
	b.mu.Lock()
	b.hooks = append(b.hooks, h)
	b.mu.Unlock()
	w.WriteHeader(h.Status)
}

// answers sets what is answered from now on.
func (b *hookBoard) answers(answer func(h hook) int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

// got is what came so far.
func (b *hookBoard) got() []hook {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.hooks)
}

// of is what came of one job, as "job.published v1 200".
func (b *hookBoard) of(subject string) []string {
	out := []string{}
	for _, h := range b.got() {
		if h.Event.Subject == subject {
			out = append(out, fmt.Sprintf("%s v%d %d", h.Event.Type, h.Version, h.Status))
		}
	}
	return out
}

// endpointDoc is what the tests look at of an endpoint.
type endpointDoc struct {
	ID       string    `json:"id"`
	Status   string    `json:"status"`
	Secret   string    `json:"secret"`
	Waiting  int       `json:"waiting"`
	Replayed *struct{} `json:"replayed"`
}

func (a *api) endpoint(url string, more map[string]any) endpointDoc {
	a.t.Helper()
	body := map[string]any{"url": url}
	for k, v := range more {
		body[k] = v
	}
	var doc endpointDoc
	a.must(http.StatusCreated, http.MethodPost, "/v1/endpoints", body).decode(a.t, &doc)
	return doc
}

// verified says with an error which of the webhooks does not carry a signature of the secret.
func verified(hs []hook, secret string) error {
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	for _, h := range hs {
		if err := wh.Verify(h.Raw, h.Header); err != nil {
			return fmt.Errorf("%s of %s: %w", h.Event.Type, h.Event.Subject, err)
		}
	}
	return nil
}

// inOrder says with an error where a job's version came before the one ahead of it was taken.
func inOrder(hs []hook) error {
	next := map[string]int64{}
	for _, h := range hs {
		job := h.Event.Source + h.Event.Subject
		if want := max(next[job], 1); h.Version != want {
			return fmt.Errorf("of %s version %d came instead of %d", job, h.Version, want)
		}
		next[job] = h.Version
		if h.Status/100 == 2 {
			next[job]++
		}
	}
	return nil
}

func TestEndpointGetsWhatTheStreamHas(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := newHookBoard(t)
	all := s.endpoint(b.URL+"/all", nil)
	org := s.sim.AddOrganization("acme", "Acme GmbH")
	org.Generate(6)
	e := s.connect(org, "acme-1")
	s.synced(e)
	ps := org.Postings()
	for i := range 3 {
		org.Retitle(ps[0].ID, fmt.Sprint("Title ", i))
		s.eventually("the title is public", func() error {
			if got := s.jobs(e.id)[ps[0].ID]; got.Job.Title != fmt.Sprint("Title ", i) {
				return errors.New(got.Job.Title)
			}
			return nil
		})
	}
	org.Unpublish(ps[1].ID)
	s.eventually("the job is closed at the board", func() error {
		if got := b.of(ps[1].ID); len(got) != 2 || got[1] != "job.closed v2 200" {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	ms := s.agreed(e)
	s.eventually("all has come", func() error { return atLeast(len(b.got()), len(ms)) })
	hooks := b.got()
	if err := errors.Join(verified(hooks, all.Secret), inOrder(hooks)); err != nil {
		t.Error(err)
	}
	stream := map[string][]byte{}
	for _, m := range ms {
		stream[m.Event.ID] = m.Raw
	}
	for _, h := range hooks {
		if h.Header.Get("webhook-id") != h.Event.ID || !bytes.Equal(stream[h.Event.ID], h.Raw) {
			t.Errorf("%s of %s is not what the stream has", h.Event.Type, h.Event.Subject)
		}
		delete(stream, h.Event.ID)
	}
	if len(stream) > 0 {
		t.Errorf("%d events of the stream did not come", len(stream))
	}
}

// One job's delivery fails once; its later versions wait for the next try, and everything else goes on. Meanwhile the
// secret is rotated.
func TestFailingDeliveryHoldsBackItsJobAlone(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 4)
	other := s.sim.AddOrganization("other", "Other Ltd")
	other.Generate(2)
	s.synced(s.connect(other, "other-1"))
	b := newHookBoard(t)
	ps := e.org.Postings()
	var failed sync.Once
	b.answers(func(h hook) int {
		code := http.StatusOK
		if h.Event.Subject == ps[0].ID && h.Version == 2 {
			failed.Do(func() { code = http.StatusInternalServerError })
		}
		return code
	})
	doc := s.endpoint(b.URL, map[string]any{"employers": []string{e.id}, "snapshot": true})
	s.eventually("the snapshot has come", func() error { return atLeast(len(b.got()), 5) })
	for i := range 2 {
		e.org.Retitle(ps[0].ID, fmt.Sprint("Held back ", i))
		s.eventually("the title is public", func() error {
			if got := s.jobs(e.id)[ps[0].ID]; got.Job.Title != fmt.Sprint("Held back ", i) {
				return errors.New(got.Job.Title)
			}
			return nil
		})
	}
	var rotated endpointDoc
	s.must(http.StatusOK, http.MethodPost, "/v1/endpoints/"+doc.ID+"/rotate", nil).decode(t, &rotated)
	other.Retitle(other.Postings()[0].ID, "Not of this employer")
	e.org.Retitle(ps[1].ID, "Not held back")
	s.eventually("the other job has come", func() error { return atLeast(len(b.of(ps[1].ID)), 2) })
	if got := b.of(ps[0].ID); len(got) != 2 {
		t.Errorf("of the failing job %v came before its next try", got)
	}
	s.eventually("the failing job goes on", func() error { return atLeast(len(b.of(ps[0].ID)), 4) })
	if got := strings.Join(b.of(ps[0].ID), ", "); got != "job.published v1 200, job.updated v2 500, job.updated v2 200, job.updated v3 200" {
		t.Errorf("of the failing job came %s", got)
	}
	hooks := b.got()
	last := hooks[len(hooks)-1:]
	if err := errors.Join(verified(hooks, doc.Secret), verified(last, rotated.Secret)); err != nil {
		t.Errorf("while a rotation overlaps: %v", err)
	}
	if verified(hooks[:1], rotated.Secret) == nil {
		t.Error("the new secret fits what was sent before it was made")
	}
	if len(hooks) != 9 {
		t.Errorf("%d webhooks came", len(hooks))
	}
	var log struct {
		Deliveries []struct {
			Posting  string
			Version  int
			State    string
			Attempts []struct{ Status int }
		}
	}
	s.eventually("all is noted", func() error {
		s.must(http.StatusOK, http.MethodGet, "/v1/endpoints/"+doc.ID+"/deliveries", nil).decode(t, &log)
		for _, d := range log.Deliveries {
			if d.State != "delivered" {
				return errors.New(d.State)
			}
			if d.Posting == ps[0].ID && d.Version == 2 && (len(d.Attempts) != 2 || d.Attempts[0].Status != 500) {
				return fmt.Errorf("attempts %v", d.Attempts)
			}
		}
		return atLeast(len(log.Deliveries), 8)
	})
}

// The sender is killed when the board has taken a webhook and the sender has not heard of it. The next one sends it again
// under the same id, and the job goes on in order.
func TestKilledSenderSendsAgain(t *testing.T) {
	t.Parallel()
	p := startProcesses(t, ashbytest.Options{Seed: 3, RequestsPerMinute: 1 << 20}, "gateway", "syncer", "notifier")
	b := newHookBoard(t)
	doc := p.endpoint(b.URL, nil)
	org := p.sim.AddOrganization("acme", "Acme GmbH")
	org.Generate(3)
	job := org.Postings()[0].ID
	killed, once := make(chan struct{}), sync.Once{}
	b.answers(func(h hook) int {
		if h.Event.Subject == job {
			once.Do(func() {
				p.kill("notifier")
				close(killed)
			})
		}
		return http.StatusOK
	})
	p.must(http.StatusCreated, http.MethodPost, "/v1/connections", map[string]any{
		"employer_ref": "acme", "employer_name": "Acme GmbH", "api_key": org.AddKey(ashbytest.KeyOptions{}),
	})
	<-killed
	p.start("notifier")
	p.waitReady("notifier")
	wait(t, "the job comes again", func() error { return atLeast(len(b.of(job)), 2) }, p.logs.tail)
	if got := strings.Join(b.of(job), ", "); got != "job.published v1 200, job.published v1 200" {
		t.Errorf("of the job came %s", got)
	}
	var ids []string
	for _, h := range b.got() {
		if h.Event.Subject == job {
			ids = append(ids, h.Header.Get("webhook-id"))
		}
	}
	if ids[0] != ids[1] {
		t.Errorf("it came again as %s", ids[1])
	}
	wait(t, "nothing waits", func() error {
		var doc2 endpointDoc
		p.must(http.StatusOK, http.MethodGet, "/v1/endpoints/"+doc.ID, nil).decode(t, &doc2)
		if doc2.Waiting != 0 || len(b.got()) < 5 {
			return fmt.Errorf("%d wait, %d came", doc2.Waiting, len(b.got()))
		}
		return nil
	}, p.logs.tail)
	if err := verified(b.got(), doc.Secret); err != nil {
		t.Error(err)
	}
}

// What judges webhooks finds what it is there for.
func TestJudgesOfWebhooksBite(t *testing.T) {
	t.Parallel()
	at := func(version int64, status int) hook {
		return hook{Event: events.Event{Subject: "p"}, Version: version, Status: status}
	}
	for name, c := range map[string]struct {
		hooks []hook
		ok    bool
	}{
		"in order":        {[]hook{at(1, 200), at(2, 500), at(2, 200), at(3, 204)}, true},
		"overtaken":       {[]hook{at(1, 200), at(3, 200), at(2, 200)}, false},
		"past a failure":  {[]hook{at(1, 500), at(2, 200)}, false},
		"taken and again": {[]hook{at(1, 200), at(1, 200)}, false},
		"one left out":    {[]hook{at(1, 200), at(3, 200)}, false},
	} {
		if err := inOrder(c.hooks); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	secret := "whsec_" + strings.Repeat("QUJD", 8)
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := wh.Sign("id", now, []byte("body"))
	if err != nil {
		t.Fatal(err)
	}
	h := hook{Raw: []byte("body"), Header: http.Header{}}
	h.Header.Set("webhook-id", "id")
	h.Header.Set("webhook-timestamp", fmt.Sprint(now.Unix()))
	h.Header.Set("webhook-signature", signature)
	if err := verified([]hook{h}, secret); err != nil {
		t.Error(err)
	}
	h.Raw = []byte("Body")
	if verified([]hook{h}, secret) == nil {
		t.Error("a changed body went unnoticed")
	}
}
