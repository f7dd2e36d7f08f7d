package webhook_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier/webhook"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memStore is the database as the sender sees it, by the bubble's clock.
type memStore struct {
	mu        sync.Mutex
	receivers map[string]*mirror.Receiver
	parcels   []*memParcel
	owner     string
	until     time.Time
	down      error
	// disorderly makes the mistake of which the order of a job is to be proven free: each delivery is due by itself.
	disorderly bool
	// beforeNote, if set, runs before anything is noted; its error means that nothing was.
	beforeNote func() error
	notes      int
}

type memParcel struct {
	mirror.Parcel
	state string
	next  time.Time
	log   []mirror.Attempt
}

func newStore() *memStore { return &memStore{receivers: map[string]*mirror.Receiver{}} }

func (s *memStore) receive(id string) {
	s.change(func() {
		s.receivers[id] = &mirror.Receiver{
			ID: id, URL: "https://" + id, Secret: []byte("secret"), Status: mirror.ReceiverActive, Revision: 1,
		}
	})
}

func (s *memStore) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// publish makes the next delivery of a job to an endpoint.
func (s *memStore) publish(receiver, posting string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	version := int64(1)
	for _, p := range s.parcels {
		if p.Receiver == receiver && p.Event.Posting == posting {
			version++
		}
	}
	s.parcels = append(s.parcels, &memParcel{state: mirror.ParcelPending, next: time.Now(), Parcel: mirror.Parcel{
		ID: int64(len(s.parcels) + 1), Receiver: receiver, PublishedAt: time.Now(), Event: mirror.Outgoing{
			EventID: fmt.Sprintf("%s-%s-%d", receiver, posting, version), Connection: "acme", Posting: posting, Version: version,
			Type: events.JobUpdated, Data: json.RawMessage(fmt.Sprintf(`{"version":%d}`, version)),
		},
	}})
}

func (s *memStore) Acquire(_ context.Context, _, owner string, ttl time.Duration) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owner != owner && time.Now().Before(s.until) {
		return 0, false, nil
	}
	s.owner, s.until = owner, time.Now().Add(ttl)
	return 1, true, nil
}

func (s *memStore) Release(_ context.Context, _, owner string) error {
	s.change(func() {
		if s.owner == owner {
			s.until = time.Time{}
		}
	})
	return nil
}

func (s *memStore) ActiveReceivers(context.Context) ([]mirror.Receiver, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []mirror.Receiver
	for _, r := range s.receivers {
		if r.Status == mirror.ReceiverActive {
			out = append(out, *r)
		}
	}
	slices.SortFunc(out, func(a, b mirror.Receiver) int { return cmp.Compare(a.ID, b.ID) })
	return out, s.down
}

func (s *memStore) Due(_ context.Context, rooms []mirror.Room, inHand []int64) ([]mirror.Parcel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	due := slices.Clone(s.parcels)
	slices.SortStableFunc(due, func(a, b *memParcel) int { return a.next.Compare(b.next) })
	var out []mirror.Parcel
	for _, r := range rooms {
		left := r.Limit
		for _, p := range due {
			if left > 0 && p.Receiver == r.Receiver && p.state == mirror.ParcelPending && !p.next.After(time.Now()) &&
				!slices.Contains(inHand, p.ID) && (s.disorderly || !s.isBehind(p)) {
				out = append(out, p.Parcel)
				left--
			}
		}
	}
	return out, nil
}

func (s *memStore) isBehind(p *memParcel) bool {
	return slices.ContainsFunc(s.parcels, func(o *memParcel) bool {
		return o.Receiver == p.Receiver && o.Event.Posting == p.Event.Posting && o.Event.Version < p.Event.Version &&
			o.state == mirror.ParcelPending
	})
}

// supersede takes back what waits of the older versions of a job. What was given up stays so here, for who judges the order.
func (s *memStore) supersede(p *memParcel) {
	for _, o := range s.parcels {
		if o.Receiver == p.Receiver && o.Event.Posting == p.Event.Posting && o.Event.Version < p.Event.Version &&
			o.state == mirror.ParcelPending && !s.disorderly {
			o.state = mirror.ParcelSuperseded
		}
	}
}

func (s *memStore) NoteParcels(_ context.Context, os []mirror.ParcelOutcome, cs []mirror.ReceiverChange) error {
	s.mu.Lock()
	before, down := s.beforeNote, s.down
	s.mu.Unlock()
	if down != nil {
		return down
	}
	if before != nil {
		if err := before(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes++
	for _, o := range os {
		p := s.parcels[o.ID-1]
		if p.state != mirror.ParcelPending {
			continue
		}
		if p.FirstTriedAt == nil {
			p.FirstTriedAt = &o.Attempt.At
		}
		p.state, p.Tries, p.next = o.State, o.Tries, time.Now().Add(o.Retry)
		p.log = append(p.log, o.Attempt)
		if p.state == mirror.ParcelDelivered {
			s.supersede(p)
		}
	}
	for _, c := range cs {
		r := s.receivers[c.ID]
		if r == nil || r.Revision != c.Revision || r.Status != mirror.ReceiverActive {
			continue
		}
		r.Health = c.Health
		if c.Status != "" {
			r.Status, r.StatusCode, r.StatusReason = c.Status, c.StatusCode, c.StatusReason
		}
	}
	return nil
}

func (s *memStore) Backlog(context.Context) (mirror.Backlog, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := mirror.Backlog{Receivers: map[string]int{}}
	for _, r := range s.receivers {
		b.Receivers[r.Status]++
	}
	for _, p := range s.parcels {
		if p.state == mirror.ParcelPending {
			b.Waiting++
		}
	}
	return b, nil
}

// states names the deliveries to an endpoint, in the order in which they were made.
func (s *memStore) states(receiver string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, p := range s.parcels {
		if p.Receiver == receiver {
			out = append(out, fmt.Sprintf("%s v%d %s", p.Event.Posting, p.Event.Version, p.state))
		}
	}
	return out
}

func (s *memStore) receiver(id string) mirror.Receiver {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.receivers[id]
}

// sent is a message as a board saw it.
type sent struct {
	receiver, id, posting string
	version               int64
	typ                   events.Type
	at                    time.Time
	secrets               []string
	delivered             bool
}

// boards answer what is sent, and remember it.
type boards struct {
	mu     sync.Mutex
	all    []sent
	now    map[string]int // on their way, by endpoint
	most   map[string]int
	faults []string
	busy   map[string]bool // jobs on their way
	// answer says what a board answers; 200 at once where nil. It may wait.
	answer func(ctx context.Context, s sent) courier.Result
}

func newBoards() *boards {
	return &boards{now: map[string]int{}, most: map[string]int{}, busy: map[string]bool{}}
}

func status(code int) courier.Result {
	r := courier.Result{Attempt: mirror.Attempt{Status: code}}
	switch {
	case code == 0:
		r.Error, r.Detail = courier.ErrorTimeout, "Late."
	case code == 410:
		r.Error = courier.ErrorGone
	case code == 429 || code == 503:
		r.Error = courier.ErrorThrottled
	case code >= 300:
		r.Error, r.Detail = courier.ErrorServer, "Broken."
	}
	return r
}

// linger takes its time over an answer.
func linger(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// send is the courier of these boards.
func (b *boards) send(ctx context.Context, m courier.Message) courier.Result {
	var e events.Event
	var data struct{ Version int64 }
	if json.Unmarshal(m.Body, &e) != nil || json.Unmarshal(e.Data, &data) != nil {
		return status(400)
	}
	s := sent{receiver: m.URL[len("https://"):], id: m.ID, posting: e.Subject, version: data.Version, typ: e.Type, at: time.Now()}
	for _, secret := range m.Secrets {
		s.secrets = append(s.secrets, secret.Reveal())
	}
	job := s.receiver + "/" + s.posting
	b.mu.Lock()
	if b.busy[job] {
		b.faults = append(b.faults, fmt.Sprintf("two of %s are on their way at once", job))
	}
	b.busy[job] = true
	b.now[s.receiver]++
	b.most[s.receiver] = max(b.most[s.receiver], b.now[s.receiver])
	answer := b.answer
	b.mu.Unlock()
	r := status(200)
	if answer != nil {
		r = answer(ctx, s)
	}
	if ctx.Err() != nil {
		r = status(0)
	}
	r.At = s.at
	b.mu.Lock()
	defer b.mu.Unlock()
	s.delivered = r.Delivered()
	b.busy[job] = false
	b.now[s.receiver]--
	b.all = append(b.all, s)
	return r
}

// messages are what an endpoint got so far.
func (b *boards) messages(receiver string) []sent {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []sent
	for _, s := range b.all {
		if s.receiver == receiver {
			out = append(out, s)
		}
	}
	return out
}

// disorder says where a job's version came that was not the next one: each must be taken, or given up, before the next
// comes, and none may come again after it was noted as taken.
func (b *boards) disorder(store *memStore) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := slices.Clone(b.faults)
	failed := map[string]bool{}
	store.change(func() {
		for _, p := range store.parcels {
			failed[p.Event.EventID] = p.state == mirror.ParcelFailed
		}
	})
	next := map[string]int64{}
	for _, s := range b.all {
		job := s.receiver + "/" + s.posting
		want := max(next[job], 1)
		for failed[fmt.Sprintf("%s-%s-%d", s.receiver, s.posting, want)] && want < s.version {
			want++
		}
		if s.version != want {
			faults = append(faults, fmt.Sprintf("%s: version %d came instead of %d", job, s.version, want))
		}
		next[job] = s.version
		if s.delivered {
			next[job]++
		}
	}
	return faults
}

// running is a sender at work.
type running struct {
	registry *prometheus.Registry
	wake     func()
	stop     func()
}

// start runs a sender until stop. It is called within a bubble, and the test calls stop before the bubble ends.
func start(t *testing.T, s *memStore, b *boards, change ...func(*webhook.Options)) running {
	t.Helper()
	r := running{registry: prometheus.NewRegistry()}
	wakes := make(chan func(), 1)
	o := webhook.Options{
		Store: s, Send: b.send, Owner: "a", Registerer: r.registry,
		Open: func(sealed mirror.Sealed, _, _ string) (ashby.Secret, error) {
			if string(sealed) == "foreign" {
				return "", errors.New("does not open")
			}
			return ashby.Secret(sealed), nil
		},
		OnWake: func(wake func()) (func(), error) { wakes <- wake; return func() {}, nil },
	}
	for _, c := range change {
		c(&o)
	}
	sender, err := webhook.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := sender.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	r.wake = <-wakes
	r.stop = func() { cancel(); wg.Wait() }
	return r
}

// atMost returns how many messages were on their way to an endpoint at most, and begins to count anew.
func (b *boards) atMost(receiver string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.most[receiver]
	b.most[receiver] = 0
	return n
}

// metric adds up all values of a metric.
func (r running) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != "ashbridge_webhooks_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}
