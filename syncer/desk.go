package syncer

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// connectionReads is how many single objects of one connection are read at once; the client's limiter paces them.
const connectionReads = 8

// desk is where everything for one connection comes together: it puts the work on each object in a line, lets only the
// newest answer through, and keeps what is costly to make. It may be forgotten whenever nothing is in work: all that
// matters is in the store.
type desk struct {
	p          *partition
	s          *Syncer
	connection string
	log        *slog.Logger
	reads      chan struct{} // a slot for each read of a single object

	// Guarded by the partition's mutex.
	users  int
	usedAt time.Time

	mu       sync.Mutex
	lines    map[task]*line
	failures map[task]failure
	unread   map[string]unreadable     // postings that the latest poll could not read
	unlisted map[ashby.Kind]unreadable // listings that the latest polls could not read
	pause    brake
	// refreshing counts the hints on single objects that are in work or wait for it.
	refreshing int
	askedPoll  time.Time // when a poll was asked for out of turn
	// client is kept with its pace where the same key is sealed anew.
	sealed mirror.Sealed
	key    ashby.Secret
	client AshbyClient
	synced bool // the first synchronisation is known to be over

	// applying is held from the comparison of an answer with what is stored until the difference is committed.
	applying sync.Mutex
	// newest is the send time of the newest applied answer of each object, since the desk was last at rest: a request
	// that starts after a rest is newer than all that were applied before it.
	newest map[mirror.RecordKey]time.Time
	// turns has a slot for each listing, so that a slice and a webhook do not read one side by side; guarded by mu.
	turns map[mirror.PassKey]chan struct{}
	// round is how far the reading of what is not polled is; guarded by mu.
	round *round
	// heads is what is stored of the kinds that a running poll compares, kept up to date by every unit of work.
	heads map[string]map[string]mirror.Head
	// groups answer together what refreshes ask the store at the same time.
	groups *groups
}

func newDesk(p *partition, connection string) *desk {
	d := &desk{
		p: p, s: p.s, connection: connection, log: p.s.log.With("connection", connection),
		reads: make(chan struct{}, connectionReads), lines: map[task]*line{}, failures: map[task]failure{},
	}
	d.groups = newGroups(d)
	return d
}

// turn is the slot for a listing.
func (d *desk) turn(key mirror.PassKey) chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.turns == nil {
		d.turns = map[mirror.PassKey]chan struct{}{}
	}
	if d.turns[key] == nil {
		d.turns[key] = make(chan struct{}, 1)
	}
	return d.turns[key]
}

// task names what a hint asks for: a poll, or the refresh of one object.
type task struct {
	kind   mirror.HintKind
	object string
}

func (t task) isPoll() bool  { return t.kind == mirror.HintPoll }
func (t task) isSlice() bool { return t.kind == mirror.HintRecords }

func keyOf(h mirror.Hint) task {
	if h.Kind == mirror.HintRecords {
		return task{kind: mirror.HintRecords}
	}
	if h.Kind == mirror.HintPoll || h.Kind == mirror.HintAll || h.ID == "" {
		return task{kind: mirror.HintPoll}
	}
	return task{kind: h.Kind, object: h.ID}
}

// rest is called when nothing is in work.
func (d *desk) rest() {
	d.applying.Lock()
	defer d.applying.Unlock()
	d.newest = nil
}

// forgettable drops the client and says whether the rest may go too: a desk remembers what keeps failing.
func (d *desk) forgettable() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.client, d.key, d.sealed = nil, "", nil
	for t, f := range d.failures {
		counts := f.count > 0 && (t.isPoll() || time.Since(f.at) < failureMemory)
		if !counts && time.Now().After(f.until) {
			delete(d.failures, t)
		}
	}
	return len(d.failures) == 0 && len(d.unread) == 0 && len(d.unlisted) == 0
}

// access is what one piece of work needs of a connection.
type access struct {
	connection mirror.Connection
	sealed     mirror.Sealed
	client     AshbyClient
	tally      *tally
}

// open reads the connection and makes its client anew where the key was replaced. mirror.ErrNotFound,
// mirror.ErrRemoved, mirror.ErrPaused.
func (d *desk) open(ctx context.Context, t *tally) (access, error) {
	now, err := d.groups.opening.do(ctx, struct{}{})
	if err != nil {
		return access{tally: t}, fmt.Errorf("reading the connection: %w", err)
	}
	c, sealed := now.connection, now.sealed
	switch c.Status {
	case mirror.StatusRemoved:
		return access{tally: t}, mirror.ErrRemoved
	case mirror.StatusPaused:
		return access{tally: t}, mirror.ErrPaused
	case mirror.StatusActive, mirror.StatusDegraded, mirror.StatusUnauthorized:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client == nil || !bytes.Equal(d.sealed, sealed) {
		key, err := d.s.opts.Seal.Open(sealed, d.connection, kindAPIKey)
		if err != nil {
			return access{tally: t}, fmt.Errorf("opening the sealed key: %w", err)
		}
		if d.client == nil || d.key != key {
			client, err := d.s.opts.NewClient(key)
			if err != nil {
				return access{tally: t}, fmt.Errorf("making the client: %w", err)
			}
			d.client, d.key = client, key
		}
		d.sealed = slices.Clone(sealed)
	}
	return access{connection: c, sealed: d.sealed, client: d.client, tally: t}, nil
}

// keyReplaced says that the key which Ashby refused is not the connection's key any more.
func (d *desk) keyReplaced(ctx context.Context, a access) bool {
	c, sealed, err := d.s.opts.Store.Connection(ctx, d.connection)
	return err == nil && c.Status != mirror.StatusRemoved && !bytes.Equal(sealed, a.sealed)
}

// firstSync says whether the connection's first synchronisation is still to be completed.
func (d *desk) firstSync(ctx context.Context) (bool, error) {
	d.mu.Lock()
	synced := d.synced
	d.mu.Unlock()
	if synced {
		return false, nil
	}
	state, err := d.s.opts.Progress.SyncState(ctx, d.connection)
	if err != nil {
		return false, fmt.Errorf("reading the sync state: %w", err)
	}
	if state.FirstSyncedAt != nil {
		d.mu.Lock()
		d.synced = true
		d.mu.Unlock()
	}
	return state.FirstSyncedAt == nil, nil
}

// mandate is the right to write for the connection.
func (d *desk) mandate() mirror.Mandate {
	return mirror.Mandate{Lease: d.p.lease, Connection: d.connection}
}

// setStatus changes the connection's status and wakes the relay if that made an event.
func (d *desk) setStatus(ctx context.Context, c mirror.StatusChange) error {
	event, err := d.s.opts.Progress.SetStatus(ctx, d.mandate(), c)
	if err != nil {
		return fmt.Errorf("setting the status: %w", err)
	}
	if event {
		d.s.opts.Bus.WakeRelay()
	}
	return nil
}

// askPoll has the connection polled out of turn, once in mirror.HoldTime at most: a poll that finds postings to hold
// sees to the next one itself.
func (d *desk) askPoll(ctx context.Context) {
	d.mu.Lock()
	asked := d.askedPoll
	if !asked.IsZero() && time.Since(asked) < mirror.HoldTime {
		d.mu.Unlock()
		return
	}
	d.askedPoll = time.Now()
	d.mu.Unlock()
	d.s.give(ctx, []mirror.Hint{{Connection: d.connection, Kind: mirror.HintPoll}}, nil)
}
