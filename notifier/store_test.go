package notifier_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// memStore is the database as the relay sees it: outbox ids are given out before the commit, so that rows appear out of
// order, and a lease runs by the store's clock.
type memStore struct {
	data map[events.Type]map[string]any

	mu     sync.Mutex
	nextID int64
	log    map[string][]mirror.Outgoing // by subject, versions rising
	outbox map[int64]mirror.Outgoing
	seqs   map[string]mirror.Published // what the relay told of the latest events, by subject
	gone   map[string]int64            // the versions with which long closed jobs left the stream
	state  *mirror.StreamState
	owner  string
	epoch  int64
	until  time.Time
	// standby has the lease of who stands by with NATS.
	standby      string
	standbyUntil time.Time
	reads        int

	// beforeNote and afterNote surround Published; an error of the first means that nothing was written, one of the
	// second that the writer does not know that it was.
	beforeNote, afterNote func(ps []mirror.Published) error
	readFault             error
	// afterExpired runs when Expired is about to return something, beforeForgotten before Forgotten writes; its error
	// means that nothing was written.
	afterExpired    func()
	beforeForgotten func() error
}

func newStore(t testing.TB) *memStore {
	t.Helper()
	s := &memStore{
		data: map[events.Type]map[string]any{}, log: map[string][]mirror.Outgoing{}, outbox: map[int64]mirror.Outgoing{},
		seqs: map[string]mirror.Published{}, gone: map[string]int64{},
	}
	for _, typ := range []events.Type{
		events.JobPublished, events.JobUpdated, events.JobClosed, events.ConnectionSynced, events.ConnectionDegraded,
	} {
		raw, err := os.ReadFile("../schema/events/testdata/" + string(typ) + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var e struct{ Data map[string]any }
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		s.data[typ] = e.Data
	}
	return s
}

// transaction is an event with its outbox id, not committed yet.
type transaction struct {
	s *memStore
	o mirror.Outgoing
}

// begin makes the next event of an object; posting is empty for the connection's own. The caller commits one
// transaction of an object before it begins the next, as the lock on the listing's row does.
func (s *memStore) begin(connection, posting string) transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	o := mirror.Outgoing{
		OutboxID: s.nextID, EventID: uuid.Must(uuid.NewV7()).String(), CreatedAt: time.Now(),
		Connection: connection, Posting: posting,
	}
	o.Version = 1
	if l := s.log[o.Subject()]; len(l) > 0 {
		o.Version = l[len(l)-1].Version + 1
	}
	switch {
	case posting == "" && o.Version == 1:
		o.Type = events.ConnectionSynced
	case posting == "":
		o.Type = events.ConnectionDegraded
	case o.Version == 1:
		o.Type = events.JobPublished
	case o.Version%7 == 0:
		o.Type = events.JobClosed
	default:
		o.Type = events.JobUpdated
	}
	o.Data = s.dataOf(o)
	return transaction{s, o}
}

func (s *memStore) dataOf(o mirror.Outgoing) json.RawMessage {
	data := map[string]any{}
	for k, v := range s.data[o.Type] {
		data[k] = v
	}
	data["version"] = o.Version
	if o.Posting != "" {
		data["changed_at"], data["observed_at"] = o.CreatedAt.UTC(), o.CreatedAt.UTC()
		job := map[string]any{}
		for k, v := range data["job"].(map[string]any) {
			job[k] = v
		}
		job["id"], job["connection"] = o.Posting, o.Connection
		data["job"] = job
	}
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return raw
}

func (tx transaction) commit() {
	tx.s.mu.Lock()
	defer tx.s.mu.Unlock()
	tx.s.log[tx.o.Subject()] = append(tx.s.log[tx.o.Subject()], tx.o)
	tx.s.outbox[tx.o.OutboxID] = tx.o
}

// commitAt makes and commits an event of a job at some time.
func (s *memStore) commitAt(connection, posting string, typ events.Type, at time.Time) {
	tx := s.begin(connection, posting)
	tx.o.Type, tx.o.CreatedAt = typ, at
	tx.o.Data = s.dataOf(tx.o)
	tx.commit()
}

// commit makes and commits n events of an object.
func (s *memStore) commit(connection, posting string, n int) {
	for range n {
		s.begin(connection, posting).commit()
	}
}

// large makes and commits an event of a job with a long description.
func (s *memStore) large(connection, posting string, size int) {
	tx := s.begin(connection, posting)
	var data struct {
		Job map[string]any `json:"job"`
	}
	all := map[string]any{}
	if err := errors.Join(json.Unmarshal(tx.o.Data, &all), json.Unmarshal(tx.o.Data, &data)); err != nil {
		panic(err)
	}
	data.Job["description_html"] = strings.Repeat("x", size)
	all["job"] = data.Job
	raw, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	tx.o.Data = raw
	tx.commit()
}

func (s *memStore) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.outbox)
}

func (s *memStore) readCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

func (s *memStore) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *memStore) Acquire(_ context.Context, name, owner string, ttl time.Duration) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if name == notifier.StandbyLease {
		held := s.standby == owner || now.After(s.standbyUntil)
		if held {
			s.standby, s.standbyUntil = owner, now.Add(ttl)
		}
		return 1, held, nil
	}
	if s.owner != owner {
		if now.Before(s.until) {
			return s.epoch, false, nil
		}
		s.epoch++
	}
	s.owner, s.until = owner, now.Add(ttl)
	return s.epoch, true, nil
}

func (s *memStore) LeaseOwner(_ context.Context, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == notifier.StandbyLease && time.Now().Before(s.standbyUntil) {
		return s.standby, nil
	}
	return "", nil
}

func (s *memStore) Release(_ context.Context, name, owner string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == notifier.StandbyLease {
		if s.standby == owner {
			s.standbyUntil = time.Time{}
		}
		return nil
	}
	if s.owner == owner {
		s.owner, s.until = "", time.Time{}
	}
	return nil
}

func (s *memStore) Pending(ctx context.Context, except []int64, limit int) ([]mirror.Outgoing, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.readFault != nil {
		return nil, s.readFault
	}
	rows := make([]mirror.Outgoing, 0, len(s.outbox))
	for _, o := range s.outbox {
		if !slices.Contains(except, o.OutboxID) {
			rows = append(rows, o)
		}
	}
	slices.SortFunc(rows, func(a, b mirror.Outgoing) int { return cmp.Compare(a.OutboxID, b.OutboxID) })
	return rows[:min(limit, len(rows))], nil
}

func (s *memStore) Published(ctx context.Context, ps []mirror.Published, state mirror.StreamState) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	before, after := s.beforeNote, s.afterNote
	s.mu.Unlock()
	if before != nil {
		if err := before(ps); err != nil {
			return err
		}
	}
	s.mu.Lock()
	for _, p := range ps {
		delete(s.outbox, p.OutboxID)
		if known, ok := s.seqs[p.Subject()]; !ok || known.Version <= p.Version {
			s.seqs[p.Subject()] = p
		}
	}
	// As Postgres keeps it.
	state.CreatedAt = state.CreatedAt.Round(time.Microsecond)
	s.state = &state
	s.mu.Unlock()
	if after != nil {
		return after(ps)
	}
	return nil
}

func (s *memStore) StreamState(context.Context) (mirror.StreamState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil {
		return mirror.StreamState{}, fmt.Errorf("state of the stream: %w", mirror.ErrNotFound)
	}
	return *s.state, nil
}

func (s *memStore) Waiting(_ context.Context, ids []string) ([]mirror.Outgoing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []mirror.Outgoing
	for _, o := range s.outbox {
		if slices.Contains(ids, o.EventID) {
			o.Data = nil
			rows = append(rows, o)
		}
	}
	return rows, nil
}

// left are the events of a subject that have left the outbox. The caller holds mu.
func (s *memStore) left(subject string) []mirror.Outgoing {
	var l []mirror.Outgoing
	for _, o := range s.log[subject] {
		if _, waits := s.outbox[o.OutboxID]; !waits {
			o.OutboxID = 0
			l = append(l, o)
		}
	}
	return l
}

func (s *memStore) Latest(_ context.Context, cursor string, limit int) ([]mirror.Latest, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var subjects []string
	for subject := range s.log {
		if subject > cursor && !s.longClosed(subject) {
			subjects = append(subjects, subject)
		}
	}
	slices.Sort(subjects)
	subjects = subjects[:min(limit, len(subjects))]
	var page []mirror.Latest
	for _, subject := range subjects {
		if l := s.left(subject); len(l) > 0 {
			o := l[len(l)-1]
			page = append(page, mirror.Latest{
				Place:   mirror.Place{Connection: o.Connection, Posting: o.Posting, Version: o.Version},
				EventID: o.EventID,
			})
		}
	}
	if len(subjects) < limit {
		return page, "", nil
	}
	return page, subjects[len(subjects)-1], nil
}

func (s *memStore) History(_ context.Context, of []mirror.Place, keep int) ([]mirror.Outgoing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []mirror.Outgoing
	for _, p := range of {
		if !s.longClosed(p.Subject()) {
			l := s.left(p.Subject())
			all = append(all, l[max(0, len(l)-keep):]...)
		}
	}
	return all, nil
}

func (s *memStore) Unknown(_ context.Context, places []mirror.Place) ([]mirror.Place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var unknown []mirror.Place
	for _, p := range places {
		if len(s.log[p.Subject()]) == 0 {
			unknown = append(unknown, p)
		}
	}
	return unknown, nil
}

func (s *memStore) Raise(_ context.Context, places []mirror.Place) error {
	for _, p := range places {
		s.mu.Lock()
		l := s.log[p.Subject()]
		for len(l) > 0 && s.outbox[l[len(l)-1].OutboxID].EventID == l[len(l)-1].EventID {
			delete(s.outbox, l[len(l)-1].OutboxID)
			l = l[:len(l)-1]
		}
		// The versions between are nobody's, and are told by no event.
		for int64(len(l)) < p.Version {
			l = append(l, mirror.Outgoing{Version: int64(len(l) + 1), Connection: p.Connection, Posting: p.Posting})
		}
		s.log[p.Subject()] = l
		s.mu.Unlock()
		s.commit(p.Connection, p.Posting, 1)
	}
	return nil
}

// longClosed says whether a job was closed so long ago that it is not to be in the stream. The caller holds mu.
func (s *memStore) longClosed(subject string) bool {
	l := s.log[subject]
	last := l[len(l)-1]
	return last.Type == events.JobClosed && time.Since(last.CreatedAt) > mirror.ClosedKept
}

func (s *memStore) Expired(_ context.Context, age time.Duration, limit int) ([]mirror.Place, error) {
	s.mu.Lock()
	var places []mirror.Place
	for subject, l := range s.log {
		last := l[len(l)-1]
		// Unlike a real closing of that age, one that a test has just committed may still be in the outbox.
		_, waits := s.outbox[last.OutboxID]
		if age == mirror.ClosedKept && s.longClosed(subject) && !waits && s.gone[subject] != last.Version && len(places) < limit {
			places = append(places, mirror.Place{Connection: last.Connection, Posting: last.Posting, Version: last.Version})
		}
	}
	after := s.afterExpired
	s.mu.Unlock()
	if after != nil && len(places) > 0 {
		after()
	}
	return places, nil
}

func (s *memStore) Forgotten(ctx context.Context, places []mirror.Place) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beforeForgotten != nil {
		if err := s.beforeForgotten(); err != nil {
			return err
		}
	}
	for _, p := range places {
		l := s.log[p.Subject()]
		last := l[len(l)-1]
		if last.Type == events.JobClosed && last.Version == p.Version {
			s.gone[p.Subject()] = p.Version
		}
	}
	return nil
}

func (s *memStore) Found(_ context.Context, places []mirror.Place) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range places {
		l := s.log[p.Subject()]
		if len(l) > 0 && l[len(l)-1].Type == events.JobClosed && s.gone[p.Subject()] == l[len(l)-1].Version {
			delete(s.gone, p.Subject())
		}
	}
	return nil
}

// placed is how many long closed jobs the store believes to be in the stream.
func (s *memStore) placed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for subject, l := range s.log {
		if s.longClosed(subject) && s.gone[subject] != l[len(l)-1].Version {
			n++
		}
	}
	return n
}
