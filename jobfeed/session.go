package jobfeed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

var (
	errSilent  = errors.New("the server fell silent")
	errGap     = errors.New("a message that the server delivered did not come")
	errStuck   = errors.New("the server has messages and delivers none")
	errAnother = errors.New("the consumer was made anew")
)

// session reads from one consumer over one connection. It asks for as many messages as there is room for.
type session struct {
	*run
	attachment
	link *link
	sub  *nats.Subscription
	// room is how many events may be in memory.
	room int

	mu sync.Mutex
	// asked is how many messages the server may still send, until expiry.
	asked  int
	expiry time.Time
	// heard is the last sign of life of the requests, came the last message.
	heard, came time.Time
	// fresh is how many of the messages that were pending at the beginning did not come yet, again how many of the
	// unacknowledged ones.
	fresh uint64
	again int
	// got says that a message came.
	got bool
	// suspect is when the last message had come as the server was found to have some that did not come.
	suspect time.Time
	// ended says that nothing more is asked for; drained is closed once all that was under way has come.
	ended   bool
	drained chan struct{}
}

// request is what a pull consumer takes.
type request struct {
	Batch     int           `json:"batch"`
	Expires   time.Duration `json:"expires"`
	Heartbeat time.Duration `json:"idle_heartbeat"`
}

func (r *run) begin(l *link, at attachment) (*session, error) {
	now := time.Now()
	s := &session{run: r, attachment: at, link: l, room: r.Buffer, heard: now, came: now, fresh: at.pending, drained: make(chan struct{})}
	if at.limit > 0 {
		s.room = min(s.room, at.limit)
	}
	s.again = at.unacknowledged - len(r.lanes.find(at.from))
	var err error
	if s.sub, err = l.nc.Subscribe(l.nc.NewInbox(), s.receive); err != nil {
		return nil, l.reason(fmt.Errorf("subscribing to the own inbox: %w", err))
	}
	s.sub.SetClosedHandler(func(string) { close(s.drained) })
	// What was asked for bounds what can come; the library's own bound would drop messages.
	if err := s.sub.SetPendingLimits(-1, -1); err != nil {
		return nil, l.reason(fmt.Errorf("preparing the own inbox: %w", err))
	}
	return s, nil
}

// refill asks for messages where there is room for a good number of them, or nothing else to do.
func (s *session) refill() {
	held, ready := s.lanes.size()
	s.mu.Lock()
	now := time.Now()
	if now.After(s.expiry) {
		s.asked = 0 // the server has forgotten what it did not answer
	}
	n := s.room - held - s.asked
	few := n < max(1, s.room/4)
	if s.ended || n <= 0 || few && (s.asked > 0 || ready > 0) {
		s.mu.Unlock()
		return
	}
	if s.asked == 0 {
		s.heard = now
	}
	s.asked += n
	s.expiry = now.Add(s.pace.expires + s.pace.call)
	s.mu.Unlock()

	body, err := json.Marshal(request{Batch: n, Expires: s.pace.expires, Heartbeat: s.pace.heartbeat})
	if err == nil {
		err = s.link.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+events.Stream+"."+s.consumer, s.sub.Subject, body)
	}
	if err != nil {
		s.link.note(fmt.Errorf("asking for events: %w", err))
	}
}

// receive takes what comes to the inbox, in order, on a goroutine of the library.
func (s *session) receive(m *nats.Msg) {
	if status := m.Header.Get("Status"); status != "" && len(m.Data) == 0 {
		s.told(status, m.Header)
	} else {
		s.deliver(m)
	}
	s.refill()
}

// told takes what the server says about a request.
func (s *session) told(status string, h nats.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = time.Now()
	switch status {
	case "100":
		last, err := strconv.ParseUint(h.Get("Nats-Last-Consumer"), 10, 64)
		if err == nil && !s.src.acknowledges() && last > s.number {
			s.link.note(fmt.Errorf("%w: %d of %d", errGap, s.number, last))
		}
	case "404", "408":
		left, err := strconv.Atoi(h.Get("Nats-Pending-Messages"))
		if err != nil {
			left = s.asked
		}
		s.asked = max(0, s.asked-left)
	default:
		// The consumer was deleted or moved, the server stops, or JetStream is not there.
		s.link.note(fmt.Errorf("the server ended the request for events: %s %s", status, h.Get("Description")))
	}
}

// deliver takes a message.
func (s *session) deliver(m *nats.Msg) {
	d, err := read(m)
	if d.reply == "" {
		s.Logger.Warn("a message came that is no delivery", "subject", m.Subject, "error", err)
		return
	}
	s.mu.Lock()
	s.heard, s.came, s.got = d.received, d.received, true
	lost := !s.src.acknowledges() && d.number != s.number+1
	if !lost {
		s.number = d.number
	}
	s.mu.Unlock()
	if lost {
		s.link.note(fmt.Errorf("%w: %d came after %d", errGap, d.number, s.number))
		return
	}
	d.from, d.before = s.from, s.last(s.from)
	if err != nil {
		s.Logger.Error("passed over a message that cannot be read", "subject", m.Subject, "sequence", d.sequence, "error", err)
		s.acknowledge(d)
	} else {
		s.lanes.accept(d)
	}
	s.passed(d)
	s.mu.Lock()
	s.asked = max(0, s.asked-1) // only now: until then it had no place in memory
	s.mu.Unlock()
	if s.allCame(d) {
		s.lanes.allRead()
	}
}

// allCame says whether, with this message, all have come that were there at the beginning.
func (s *session) allCame(d delivery) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case d.pending == 0:
		s.fresh = 0
	case !d.again && s.fresh > 0:
		s.fresh--
	}
	if d.again && d.sequence <= s.delivered {
		s.again--
	}
	return s.fresh == 0 && s.again <= 0
}

// silent says whether the server should have been heard of.
func (s *session) silent(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked > 0 && now.Sub(s.heard) > s.pace.heartbeat*5/2
}

// probe asks the server what it has, and compares.
func (s *session) probe(ctx context.Context) error {
	s.mu.Lock()
	came, asked := s.came, s.asked
	s.mu.Unlock()
	consumer, err := s.link.js.Consumer(ctx, events.Stream, s.consumer)
	if err != nil {
		return fmt.Errorf("asking for the consumer: %w", err)
	}
	info := consumer.CachedInfo()
	if s.src.acknowledges() && !stamp(info.Created).Equal(s.from.created) {
		return errAnother
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.came != came:
		return nil // it is busy
	case info.NumPending > 0 && asked > 0 && (!s.src.acknowledges() || info.NumAckPending < s.limit):
		if s.suspect.Equal(came) {
			return fmt.Errorf("%w: %d", errStuck, info.NumPending)
		}
		s.suspect = came // the first time, they may be on their way
		return nil
	case info.NumPending == 0:
		s.fresh = 0
	}
	if info.AckFloor.Stream >= s.delivered || info.NumAckPending <= len(s.lanes.find(s.from)) {
		s.again = 0
	}
	if s.fresh == 0 && s.again <= 0 {
		s.lanes.allRead()
	}
	return nil
}

// end asks for nothing more. What is under way still comes.
func (s *session) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	_ = s.sub.Drain() // fails only on a dead connection
}

// flush waits, after end, until all has come and the server has all acknowledgements. What does not arrive there comes
// again.
func (s *session) flush(ctx context.Context) {
	select {
	case <-s.drained:
		_ = s.link.nc.FlushWithContext(ctx)
	case <-s.link.down:
	case <-ctx.Done():
	}
}
