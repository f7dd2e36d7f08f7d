package notifier_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier"
)

// memBoards is the table of subscribers.
type memBoards struct {
	mu   sync.Mutex
	rows map[string]mirror.Subscriber
}

func (m *memBoards) set(s mirror.Subscriber) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows[s.ID] = s
}

func (m *memBoards) get(id string) mirror.Subscriber {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rows[id]
}

func (m *memBoards) ActiveSubscribers(context.Context) ([]mirror.Subscriber, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []mirror.Subscriber
	for _, s := range m.rows {
		if s.RevokedAt == nil {
			out = append(out, s)
		}
	}
	return out, nil
}

func (m *memBoards) Subscriber(_ context.Context, id string) (mirror.Subscriber, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.rows[id]
	if !ok {
		return s, fmt.Errorf("subscriber: %w", mirror.ErrNotFound)
	}
	return s, nil
}

func (m *memBoards) SubscriberMade(_ context.Context, s mirror.Subscriber) (mirror.Subscriber, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if row := m.rows[s.ID]; row.SameConsumer(s) && row.RevokedAt == nil && row.MadeAt == nil {
		now := time.Now()
		row.MadeAt = &now
		m.rows[s.ID] = row
	}
	return m.rows[s.ID], nil
}

func (m *memBoards) SubscriberLost(_ context.Context, s mirror.Subscriber) (mirror.Subscriber, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if row := m.rows[s.ID]; row.RevokedAt != nil {
		return row, mirror.ErrRevoked
	} else if row.SameState(s) {
		row.Start, row.MadeAt = mirror.Start{Kind: mirror.StartSnapshot}, nil
		m.rows[s.ID] = row
	}
	return m.rows[s.ID], nil
}

func (m *memBoards) ReplayAll(_ context.Context, above int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, row := range m.rows {
		row.Replay, row.Start, row.MadeAt = max(row.Replay, above)+1, mirror.Start{Kind: mirror.StartSnapshot}, nil
		m.rows[id] = row
	}
	return len(m.rows), nil
}

// keeping runs a relay with boards.
func keeping(t *testing.T, b *bus.Bus, s *memStore, rows ...mirror.Subscriber) (*memBoards, running) {
	t.Helper()
	m := &memBoards{rows: map[string]mirror.Subscriber{}}
	for _, row := range rows {
		m.set(row)
	}
	return m, start(t, s, b, "a", func(o *notifier.Options) { o.BoardStore, o.CompareEvery = m, 200*time.Millisecond })
}

// consumers are those of boards, "<name> <replay>".
func consumers(t *testing.T, b *bus.Bus) []string {
	t.Helper()
	list, err := b.BoardConsumers(t.Context())
	if err != nil {
		return nil
	}
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprint(c.Name, " ", c.Replay))
	}
	slices.Sort(out)
	return out
}

func stands(t *testing.T, b *bus.Bus, what string, want ...string) {
	t.Helper()
	slices.Sort(want)
	bustest.Eventually(t, what, func() bool { return slices.Equal(consumers(t, b), want) })
}

func TestBoardsGetTheirConsumersBack(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	s := newStore(t)
	s.commit("con", "1", 3)
	one, two := bustest.NewSubscriber(), bustest.NewSubscriber("con")
	m, r := keeping(t, b, s, one, two)
	stands(t, b, "what gateways could not make is made", one.User()+" 1", two.User()+" 1")
	noted := func() bool { return m.get(one.ID).MadeAt != nil && m.get(two.ID).MadeAt != nil }
	bustest.Eventually(t, "both are noted", noted)

	if err := b.DropConsumer(t.Context(), two.User()); err != nil {
		t.Fatal(err)
	}
	// Only what a person asks for is a replay: the board is not to forget what it knows.
	stands(t, b, "a lost one is there again", one.User()+" 1", two.User()+" 1")
	if got := m.get(two.ID); got.Start.Kind != mirror.StartSnapshot || got.Replay != 1 {
		t.Errorf("its row: %+v", got)
	}
	bustest.Eventually(t, "it is noted", noted) // until then, a consumer that is missing is one that was never made

	srv.Stop()
	srv.Wipe()
	srv.Start()
	stands(t, b, "all are there again where the store was wiped", one.User()+" 1", two.User()+" 1")
	bustest.Eventually(t, "the loss is counted", func() bool {
		return r.metric(t, "ashbridge_relay_board_consumers_lost_total") == 3 && r.metric(t, "ashbridge_relay_board_subscribers") == 2
	})
	r.stop()
	if r.metric(t, "ashbridge_relay_board_subscribers") != 0 {
		t.Error("who keeps them no more still shows them")
	}
}

// A consumer that a release of before made does not tell of acknowledgements; the keeper has it do so, and it goes on.
func TestOlderConsumersTellOfAcknowledgements(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	row := bustest.NewSubscriber()
	if err := b.PutSubscriber(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	c, err := b.JetStream().Consumer(t.Context(), bus.StreamJobs, row.User())
	if err != nil {
		t.Fatal(err)
	}
	cfg := c.CachedInfo().Config
	cfg.SampleFrequency = ""
	if _, err := b.JetStream().UpdateConsumer(t.Context(), bus.StreamJobs, cfg); err != nil {
		t.Fatal(err)
	}
	keeping(t, b, s, row)
	bustest.Eventually(t, "it tells", func() bool {
		list, err := b.BoardConsumers(t.Context())
		return err == nil && len(list) == 1 && list[0].TellsAcks && list[0].Created.Equal(c.CachedInfo().Created)
	})
}

func TestConsumersOfNobodyAreRemoved(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	kept, rotated, revoked, unknown := bustest.NewSubscriber(), bustest.NewSubscriber(), bustest.NewSubscriber(), bustest.NewSubscriber()
	ahead := bustest.NewSubscriber()
	ahead.Replay = 7
	for _, s := range []mirror.Subscriber{kept, rotated, revoked, unknown, ahead} {
		if err := b.PutSubscriber(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	kept.MadeAt, revoked.RevokedAt = &now, &now
	rotated.Generation, rotated.Start = 2, mirror.Start{Kind: mirror.StartPrevious}
	restored := ahead // the row comes from an older copy of the database
	restored.Replay, restored.MadeAt = 3, &now
	m, r := keeping(t, b, newStore(t), kept, rotated, revoked, restored)
	// A row behind its consumer means that boards know more than the database: all get a number that none has seen.
	stands(t, b, "only what has a row is there", kept.User()+" 8", rotated.User()+" 8", restored.User()+" 8")
	if got := m.get(kept.ID); got.Start.Kind != mirror.StartSnapshot {
		t.Errorf("the row of one that was well: %+v", got)
	}
	bustest.Eventually(t, "it is counted", func() bool {
		return r.metric(t, "ashbridge_relay_board_consumers_removed_total") >= 3 &&
			r.metric(t, "ashbridge_relay_board_consumers_finished_total") >= 3
	})
}

// Many changes come from gateways while the keeper looks; when all is quiet, every consumer is as its row says.
func TestTheKeeperAndAGatewayAgreeInTheEnd(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	one := bustest.NewSubscriber()
	m, _ := keeping(t, b, newStore(t), one)
	row := one
	for i := range 40 {
		switch i % 3 {
		case 0:
			row.Replay, row.Start = m.get(one.ID).Replay+1, mirror.Start{Kind: mirror.StartSnapshot}
		case 1:
			row.Generation, row.Start, row.Replay = row.Generation+1, mirror.Start{Kind: mirror.StartPrevious}, m.get(one.ID).Replay
		case 2:
			if err := b.DropConsumer(t.Context(), row.User()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		row.MadeAt = nil
		m.set(row)
		_ = b.PutSubscriber(t.Context(), row) // what it leaves undone, the keeper does
	}
	bustest.Eventually(t, "they agree", func() bool {
		row := m.get(one.ID)
		return row.MadeAt != nil && slices.Equal(consumers(t, b), []string{fmt.Sprint(row.User(), " ", row.Replay)})
	})
}

// Postgres was set back to an older copy: what it does not know any more leaves the stream. Boards have seen it, and forget
// its versions with a replay number that they do not know, so that they take the job when it comes again with version 1.
func TestBoardsBeginAnewWhereTheDatabaseWasSetBack(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	s.commit("con", "1", 3)
	s.commit("con", "2", 5)
	one := bustest.NewSubscriber()
	one.Replay = 3
	m, r := keeping(t, b, s, one)
	drained(t, s)
	stands(t, b, "the board has its consumer", one.User()+" 3")
	noted := func() bool { return m.get(one.ID).MadeAt != nil }
	bustest.Eventually(t, "it is noted", noted)
	resyncs := r.metric(t, "ashbridge_relay_resyncs_total")
	bustest.Eventually(t, "it is compared twice", func() bool { return r.metric(t, "ashbridge_relay_resyncs_total") > resyncs+2 })
	if got := m.get(one.ID); got.Replay != 3 {
		t.Errorf("begun anew though nothing is wrong: %+v", got)
	}

	s.set(func() {
		delete(s.log, "jobs.v1.con.2")
		delete(s.seqs, "jobs.v1.con.2")
	})
	bustest.Eventually(t, "the job is gone", func() bool {
		c, err := b.Contents(t.Context())
		return err == nil && c.Places["jobs.v1.con.2"].Version == 0
	})
	bustest.Eventually(t, "the board begins anew", func() bool {
		row := m.get(one.ID)
		return row.Replay > 3 && row.MadeAt != nil && slices.Equal(consumers(t, b), []string{fmt.Sprint(row.User(), " ", row.Replay)})
	})
	s.commit("con", "2", 1)
	drained(t, s)
	audited(t, s)
	judge(t, b, s, false)
}
