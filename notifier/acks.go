package notifier

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

const (
	// remembered is how many of the events published last are known by their place in the stream; 5 MB of memory.
	remembered = 1 << 16
	// listenBelow: of a board that has more than this to acknowledge, no acknowledgement is listened to. To be told of those of
	// a snapshot of 100,000 jobs took a quarter more of processor time, and where nobody listens it takes none. How far such
	// a board is behind is a metric of its own.
	listenBelow = 10_000
)

// head is what the metrics want to know of an event.
type head struct {
	origin  events.Origin
	changed time.Time
}

// sent is an event at its place in the stream.
type sent struct {
	head
	seq uint64
	at  time.Time
}

// recent remembers the events that were published last, for the time at which boards acknowledge them. It is safe for
// concurrent use.
type recent struct {
	mu   sync.Mutex
	ring []sent
}

// expect remembers a batch that is about to be published after a sequence: a board may acknowledge an event before the
// relay hears that the server has it. Should the server refuse it, what is published there instead takes its place.
func (r *recent) expect(last uint64, b *batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ring == nil {
		r.ring = make([]sent, remembered)
	}
	for i, h := range b.heads {
		seq := last + 1 + uint64(i)
		r.ring[seq%remembered] = sent{head: h, seq: seq, at: b.events[i].Time}
	}
}

// at returns what was published at a place, if it is remembered.
func (r *recent) at(seq uint64) (sent, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ring == nil || r.ring[seq%remembered].seq != seq {
		return sent{}, false
	}
	return r.ring[seq%remembered], true
}

// forget is for another stream, where the same places hold something else.
func (r *recent) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring = nil
}

// acknowledged shows how long it took from a change at Ashby until a board had it. What was published before the board's
// consumer was made is no measure: the board asked for it anew.
func (n *Notifier) acknowledged(seq uint64, made time.Time) {
	s, known := n.recent.at(seq)
	if !known || s.changed.IsZero() || s.at.Before(made) {
		return
	}
	n.metrics.boards.acknowledged.WithLabelValues(string(s.origin)).Observe(max(0, n.Now().Sub(s.changed).Seconds()))
}

// listener listens to the acknowledgements of one consumer.
type listener struct {
	made time.Time
	stop func()
}

// listeners are those of the boards, by consumer.
type listeners map[string]listener

// listen begins and ends listening so that it fits what is there.
func (k *boardKeeper) listen(ctx context.Context, consumers []bus.BoardConsumer) error {
	var errs []error
	there := make(map[string]bool, len(consumers))
	for _, c := range consumers {
		there[c.Name] = c.Pending <= listenBelow
		if !c.TellsAcks {
			if err := k.Bus.TellAcks(ctx, c.Name); err != nil && !errors.Is(err, mirror.ErrNoConsumer) {
				errs = append(errs, k.boardError(failureBus, "measuring how fast a board is", err))
			}
		}
		if old, is := k.listeners[c.Name]; is && !old.made.Equal(c.Created) { // made anew under its name
			old.stop()
			delete(k.listeners, c.Name)
		}
		if _, is := k.listeners[c.Name]; is || !there[c.Name] {
			continue
		}
		stop, err := k.Bus.OnAcknowledged(c.Name, func(seq uint64) { k.acknowledged(seq, c.Created) })
		if err != nil {
			errs = append(errs, k.boardError(failureBus, "measuring how fast a board is", err))
			continue
		}
		k.listeners[c.Name] = listener{made: c.Created, stop: stop}
	}
	for name, l := range k.listeners {
		if !there[name] {
			l.stop()
			delete(k.listeners, name)
		}
	}
	return errors.Join(errs...)
}

func (k *boardKeeper) stopListening() {
	for _, l := range k.listeners {
		l.stop()
	}
}
