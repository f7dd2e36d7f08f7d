package notifier_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// board is a job board with a durable consumer, which remembers the latest version of each job and takes no older one.
type board struct {
	t        *testing.T
	b        *bus.Bus
	versions map[string]int64
	// made counts how often the consumer had to be made.
	made int
}

func newBoard(t *testing.T, b *bus.Bus) *board {
	t.Helper()
	bd := &board{t: t, b: b, versions: map[string]int64{}}
	bd.make()
	return bd
}

func (bd *board) make() {
	bd.t.Helper()
	_, err := bd.b.JetStream().CreateConsumer(bd.t.Context(), bus.StreamJobs, jetstream.ConsumerConfig{
		Durable: "board", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 2 * time.Second, MaxDeliver: -1,
		DeliverPolicy:  jetstream.DeliverLastPerSubjectPolicy,
		FilterSubjects: []string{"jobs.v1.c.*", "connections.v1.c"},
	})
	if err != nil {
		bd.t.Fatal(err)
	}
	bd.made++
}

// read takes what is there, and says whether the consumer is.
func (bd *board) read() bool {
	ctx, cancel := context.WithTimeout(bd.t.Context(), 2*time.Second)
	defer cancel()
	c, err := bd.b.JetStream().Consumer(ctx, bus.StreamJobs, "board")
	if err != nil {
		return !errors.Is(err, jetstream.ErrConsumerNotFound)
	}
	for {
		batch, err := c.FetchNoWait(500)
		if err != nil {
			return true
		}
		n := 0
		for m := range batch.Messages() {
			n++
			v, _ := strconv.ParseInt(m.Headers().Get(events.HeaderVersion), 10, 64)
			if v > bd.versions[m.Subject()] {
				bd.versions[m.Subject()] = v
			}
			_ = m.DoubleAck(ctx)
		}
		if n == 0 {
			return true
		}
	}
}

// catchUp reads until the board knows the latest version of every job. A consumer that went with its stream is made anew,
// as the keeper of subscribers does; one that is still there must do.
func (bd *board) catchUp(s *memStore) {
	bd.t.Helper()
	bustest.Eventually(bd.t, "the board knows the latest of all", func() bool {
		if !bd.read() {
			bd.make()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for subject, l := range s.log {
			if bd.versions[subject] != l[len(l)-1].Version {
				return false
			}
		}
		return true
	})
}
