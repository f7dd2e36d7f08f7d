package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// subscriberDoc is what the tests look at of a subscriber's document.
type subscriberDoc struct {
	ID, Status, URL, User, Password, Consumer string
	InboxPrefix                               string `json:"inbox_prefix"`
	Replay, Generation                        int
	Lag                                       *struct {
		Pending, Unacknowledged int
		Oldest                  *time.Time `json:"oldest_unacknowledged_at"`
	}
}

// board is a job board on the plain client of NATS, which remembers the latest version of each job.
type board struct {
	t        *testing.T
	s        *system
	doc      subscriberDoc
	nc       *nats.Conn
	versions map[string]int64
}

// subscribe lets a board in by the API.
func (s *system) subscribe(t *testing.T, employers ...employer) *board {
	t.Helper()
	body := map[string]any{"name": "Board"}
	if len(employers) > 0 {
		ids := []string{}
		for _, e := range employers {
			ids = append(ids, e.id)
		}
		body["employers"] = ids
	}
	b := &board{t: t, s: s, versions: map[string]int64{}}
	s.must(http.StatusCreated, http.MethodPost, "/v1/subscribers", body).decode(t, &b.doc)
	b.login()
	return b
}

// change calls a path of the subscriber.
func (b *board) change(method, path string, body any) {
	b.t.Helper()
	password := b.doc.Password
	b.s.must(http.StatusOK, method, "/v1/subscribers/"+b.doc.ID+path, body).decode(b.t, &b.doc)
	if path != "/rotate" {
		b.doc.Password = password
	}
}

func (d subscriberDoc) login() (*nats.Conn, error) {
	return nats.Connect(d.URL, nats.UserInfo(d.User, d.Password), nats.CustomInboxPrefix(d.InboxPrefix), nats.MaxReconnects(-1),
		nats.ReconnectWait(20*time.Millisecond), nats.IgnoreAuthErrorAbort())
}

// login connects; a gateway may not answer logins yet.
func (b *board) login() {
	b.t.Helper()
	b.s.eventually("the board logs in", func() (err error) {
		b.nc, err = b.doc.login()
		return err
	})
	b.t.Cleanup(b.nc.Close)
}

// fetch takes what there is, and acknowledges it unless it is to come again.
func (b *board) fetch(acknowledge bool) (got []string, err error) {
	js, err := jetstream.New(b.nc)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), 5*time.Second)
	defer cancel()
	c, err := js.Consumer(ctx, events.Stream, b.doc.Consumer)
	if err != nil {
		return nil, err
	}
	batch, err := c.FetchNoWait(1000)
	if err != nil {
		return nil, err
	}
	for msg := range batch.Messages() {
		m := message{Subject: msg.Subject(), Raw: msg.Data()}
		if err := m.parse(); err != nil {
			return nil, err
		}
		got = append(got, fmt.Sprint(m.Subject, " ", m.Version))
		if !acknowledge {
			continue
		}
		if strings.HasPrefix(m.Subject, "jobs.") {
			b.versions[m.Subject] = max(b.versions[m.Subject], m.Version)
		}
		if err := msg.DoubleAck(ctx); err != nil {
			return nil, err
		}
	}
	return got, batch.Error()
}

// knows waits until the board has every job's latest version, of these employers and of no other.
func (b *board) knows(es ...employer) {
	b.t.Helper()
	want := map[string]int64{}
	for subject, m := range folded(b.s.agreed(es...)) {
		for _, e := range es {
			if strings.Contains(subject, "."+e.id) {
				want[subject] = m.Version
			}
		}
	}
	b.s.eventually("the board knows every job", func() error {
		if _, err := b.fetch(true); err != nil {
			return err
		}
		if len(b.versions) != len(want) {
			return fmt.Errorf("%d jobs instead of %d", len(b.versions), len(want))
		}
		for subject, version := range want {
			if b.versions[subject] != version {
				return fmt.Errorf("%s is at %d instead of %d", subject, b.versions[subject], version)
			}
		}
		return nil
	})
}

// TestBoardsOfTheirOwn has the whole system under the accounts of ops/nats, each service as its own user, and follows a
// board through all that can happen to it.
func TestBoardsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s, acme := seeded(t, 6, guarded)
	org := s.sim.AddOrganization("beta", "Beta AG")
	org.Generate(3)
	beta := s.connect(org, "beta-1")
	s.synced(beta)
	s.agreed(acme, beta)

	b := s.subscribe(t, acme)
	b.knows(acme)
	p := first(t, acme.org)
	acme.org.Retitle(p.ID, "Second title")
	s.agreed(acme)
	b.knows(acme)

	// What is not acknowledged when the password changes comes to the new user.
	acme.org.Retitle(p.ID, "Third title")
	subject := events.JobSubject(acme.id, p.ID)
	third := folded(s.agreed(acme))[subject].Version
	s.eventually("the third title arrives", func() error {
		if got, err := b.fetch(false); err != nil || len(got) != 1 {
			return fmt.Errorf("%q, %w", got, err)
		}
		return nil
	})
	old, oldConn := b.doc, b.nc
	b.change(http.MethodPost, "/rotate", nil)
	if b.doc.User == old.User || b.doc.Password == old.Password || b.doc.Replay != old.Replay {
		t.Errorf("rotated to %+v", b.doc)
	}
	if _, err := old.login(); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := (&board{t: t, s: s, doc: old, nc: oldConn}).fetch(false); err == nil {
		t.Error("the old connection still fetches")
	}
	b.login()
	b.knows(acme)
	if b.versions[subject] != third {
		t.Errorf("version %d instead of %d", b.versions[subject], third)
	}

	// Replays, and another choice of employers.
	b.change(http.MethodPost, "/replay", map[string]any{
		"job": map[string]any{"connection": acme.id, "posting": p.ID, "version": third - 1},
	})
	if got, err := b.fetch(true); err != nil || len(got) != 2 || got[0] != fmt.Sprint(subject, " ", third-1) || b.doc.Replay != 2 {
		t.Errorf("replayed %q, %v, replay %d", got, err, b.doc.Replay)
	}
	b.change(http.MethodPatch, "", map[string]any{"employers": nil})
	b.knows(acme, beta)
	if b.doc.Replay != 3 {
		t.Errorf("replay %d", b.doc.Replay)
	}
}

// TestBoardsOutliveOutages loses NATS's store, then Postgres, and ends with a revocation.
func TestBoardsOutliveOutages(t *testing.T) {
	t.Parallel()
	s, acme := seeded(t, 6, guarded)
	b := s.subscribe(t)
	b.knows(acme)

	s.nats.Stop()
	s.nats.Wipe()
	s.nats.Start()
	b.versions = map[string]int64{}
	b.knows(acme) // the connection came back by itself, and the consumer with a snapshot
	password := b.doc.Password
	s.eventually("it is noted that the consumer is there", func() error {
		b.change(http.MethodGet, "", nil)
		if b.doc.Replay != 1 || b.doc.Status != "active" {
			return fmt.Errorf("after the loss: %+v", b.doc)
		}
		return nil
	})
	s.eventually("the list says that nothing waits", func() error {
		var page struct{ Subscribers []subscriberDoc }
		s.must(http.StatusOK, http.MethodGet, "/v1/subscribers", nil).decode(t, &page)
		if len(page.Subscribers) != 1 || page.Subscribers[0].Lag == nil ||
			page.Subscribers[0].Lag.Pending+page.Subscribers[0].Lag.Unacknowledged != 0 || page.Subscribers[0].Lag.Oldest != nil {
			return fmt.Errorf("%+v", page)
		}
		return nil
	})

	s.pg.cut()
	b.login() // from the gateway's memory
	if _, err := b.fetch(true); err != nil {
		t.Errorf("without Postgres: %v", err)
	}
	s.pg.restore()
	s.eventually("the gateway has its database back", func() error {
		r, err := s.call(http.MethodGet, "/v1/subscribers", nil)
		if err == nil && r.Status != http.StatusOK {
			err = fmt.Errorf("%d", r.Status)
		}
		return err
	})

	b.change(http.MethodDelete, "", nil)
	if _, err := b.fetch(true); err == nil {
		t.Error("a revoked board still fetches")
	}
	s.eventually("a revoked board is refused", func() error {
		nc, err := b.doc.login()
		if err == nil {
			nc.Close()
			return errors.New("it logs in")
		}
		if !errors.Is(err, nats.ErrAuthorization) {
			return err
		}
		return nil
	})
	for _, secret := range []string{password, s.accounts.Issuer.Reveal()} {
		if bytes.Contains(s.logs.bytes(), []byte(secret)) {
			t.Error("a secret is in the log")
		}
	}
}

// handed is what the handler of a feed was handed.
type handed struct {
	mu       sync.Mutex
	versions map[string]int64
	// again are the versions that were no news.
	again []string
}

func (h *handed) handle(_ context.Context, e jobfeed.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Version <= h.versions[e.Key()] {
		h.again = append(h.again, fmt.Sprintf("%s %d after %d", e.Key(), e.Version, h.versions[e.Key()]))
	}
	h.versions[e.Key()] = e.Version
	return nil
}

// lacks says which job of an employer was not handed over in its latest version.
func (h *handed) lacks(e employer, truth map[string]message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for subject, m := range truth {
		key := strings.ReplaceAll(strings.TrimPrefix(subject, "jobs.v1."), ".", "/")
		if strings.HasPrefix(key, e.id) && h.versions[key] != m.Version {
			return fmt.Errorf("%s is at %d instead of %d", key, h.versions[key], m.Version)
		}
	}
	return nil
}

// TestAFeedPassesOverWhatItKnows has NATS lose its store below a board that runs jobfeed: Ashbridge rebuilds stream and
// consumer, and the board is told nothing twice.
func TestAFeedPassesOverWhatItKnows(t *testing.T) {
	t.Parallel()
	s, acme := seeded(t, 6, guarded)
	b := s.subscribe(t, acme)
	h := &handed{versions: map[string]int64{}}
	feed, err := jobfeed.Open(t.Context(), jobfeed.Options{URL: b.doc.URL, User: b.doc.User, Password: b.doc.Password})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- feed.Subscribe(ctx, h.handle) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, feed.Close()); err != nil {
			t.Errorf("the feed: %v", err)
		}
	})
	told := func(what string) {
		t.Helper()
		truth := folded(s.agreed(acme))
		s.eventually(what, func() error { return h.lacks(acme, truth) })
	}
	told("the snapshot is handled")
	p := first(t, acme.org)
	acme.org.Retitle(p.ID, "Second title")
	told("a change is handled")

	s.nats.Stop()
	s.nats.Wipe()
	s.nats.Start()
	s.agreed(acme) // the stream is there again
	s.eventually("the new consumer has nothing left to tell", func() error {
		b.change(http.MethodGet, "", nil)
		if b.doc.Lag == nil || b.doc.Lag.Pending+b.doc.Lag.Unacknowledged > 0 {
			return fmt.Errorf("%+v", b.doc)
		}
		return nil
	})
	if b.doc.Replay != 1 {
		t.Errorf("a loss counts as replay %d", b.doc.Replay)
	}
	acme.org.Retitle(p.ID, "Third title")
	told("a change after the loss is handled")
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.again) > 0 {
		t.Errorf("handed over again: %q", h.again)
	}
}
