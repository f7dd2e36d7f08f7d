package jobfeed_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

var (
	randomSeeds = flag.Int("random.seeds", 1, "how many seeds TestRandomFaults tries of each kind of board")
	randomFirst = flag.Uint64("random.first", 1, "the first seed")
	randomSteps = flag.Int("random.steps", 5, "how many faults happen with each seed")
)

// kind is how a board of the random test reads and what it remembers.
type kind struct {
	name string
	// durable says that it is a subscriber; remembers that it stores versions in the transaction of its jobs.
	durable, remembers bool
}

var kinds = []kind{
	{"subscriber that remembers", true, true},
	{"subscriber that forgets", true, false},
	{"reader that remembers", false, true},
}

// database is what a board keeps over its lives.
type database struct {
	mu sync.Mutex
	// jobs are the versions of the stored jobs, noted those that the feed is told.
	jobs, noted map[string]int64
	mark        jobfeed.Mark
	// again counts the events that were handed over after an earlier life had stored them or newer ones.
	again  int
	faults []string
}

func newDatabase() *database { return &database{jobs: map[string]int64{}, noted: map[string]int64{}} }

func (d *database) fault(format string, args ...any) {
	d.faults = append(d.faults, fmt.Sprintf(format, args...))
}

// life is a board between two crashes. It is the Positions of a board that stores versions with its jobs.
type life struct {
	*database
	kind kind
	rng  *rand.Rand
	dead bool
	seen map[string]int64
}

var errDead = errors.New("the process is dead")

func (l *life) Load(context.Context) (jobfeed.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return jobfeed.Position{Mark: l.mark, Versions: maps.Clone(l.noted)}, nil
}

func (l *life) Handled(context.Context, string, int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errDead
	}
	return nil
}

func (l *life) Reached(_ context.Context, m jobfeed.Mark) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errDead
	}
	l.mark = m
	return nil
}

func (l *life) Reset(context.Context, jobfeed.Mark) error {
	return errors.New("no replay was asked for")
}

// begin notes that an event was handed over, and returns how long the board works on it.
func (l *life) begin(e jobfeed.Event) (work time.Duration, fails bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.seen[e.Key()]
	if e.Version < last || e.Version == last && e.Attempt == 1 {
		l.fault("%s: version %d was handed over after %d", e.Key(), e.Version, last)
	}
	if want := fmt.Sprintf("%s v%d", e.Key(), e.Version); e.Job.Job.Title != want {
		l.fault("%s: the event of version %d carries %q", e.Key(), e.Version, e.Job.Job.Title)
	}
	l.seen[e.Key()] = e.Version
	return time.Duration(l.rng.IntN(3)) * time.Millisecond, l.rng.IntN(50) == 0
}

// commit stores a job with its version.
func (l *life) commit(e jobfeed.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errDead
	}
	if e.Version <= l.jobs[e.Key()] {
		l.again++
		return nil
	}
	l.jobs[e.Key()], l.noted[e.Key()] = e.Version, e.Version
	return nil
}

func (l *life) handle(ctx context.Context, e jobfeed.Event) error {
	work, fails := l.begin(e)
	select {
	case <-time.After(work):
	case <-ctx.Done():
		return ctx.Err()
	}
	if fails {
		return errHandler
	}
	return l.commit(e)
}

// trial is one run of the random test.
type trial struct {
	*world
	kind  kind
	rng   *rand.Rand
	db    *database
	proxy *bustest.Proxy
	// handler makes a life's handler; the mistakes change it.
	handler func(l *life) jobfeed.Handler
	now     *life
	sub     *subscription
	// patience is how long the board may take to have everything after the last fault.
	patience time.Duration
	// unacknowledged counts what the server had not seen acknowledged at the crashes.
	unacknowledged int
	story          []string
}

func newTrial(t testing.TB, k kind, seed uint64) *trial {
	t.Helper()
	w := newWorld(t)
	tr := &trial{
		world: w, kind: k, rng: rand.New(rand.NewPCG(seed, 1)), db: newDatabase(),
		handler: func(l *life) jobfeed.Handler { return l.handle }, patience: patience,
	}
	tr.consumer()
	_, tr.proxy = through(t, w, k.durable)
	return tr
}

func (tr *trial) consumer() {
	tr.world.consumer(func(c *jetstream.ConsumerConfig) { c.AckWait = time.Second })
}

// start begins a life.
func (tr *trial) start() {
	tr.t.Helper()
	tr.now = &life{database: tr.db, kind: tr.kind, rng: rand.New(rand.NewPCG(tr.rng.Uint64(), 2)), seen: map[string]int64{}}
	o := tr.options(tr.kind.durable).Unaudited()
	o.URL = replaceAddr(o.URL, tr.srv.Addr(), tr.proxy)
	o.Buffer, o.Parallel, o.Grace = 64, 4, time.Millisecond
	if tr.kind.remembers {
		o.Positions = tr.now
	}
	tr.sub = subscribe(tr.t, o, tr.handler(tr.now))
}

// crash ends a life: from one moment on nothing that it does reaches the server or the database.
func (tr *trial) crash() {
	tr.t.Helper()
	tr.db.mu.Lock()
	tr.proxy.Freeze()
	tr.now.dead = true
	tr.db.mu.Unlock()
	tr.sub.stop()
	if err := tr.sub.wait(); err != nil {
		tr.t.Fatal(err)
	}
	if tr.kind.durable {
		tr.unacknowledged += tr.consumerInfo().NumAckPending
	}
}

// stop ends a life as it should end.
func (tr *trial) stop() {
	tr.t.Helper()
	tr.sub.end()
	if tr.kind.durable {
		tr.unacknowledged += tr.consumerInfo().NumAckPending // its last acknowledgements may have been lost
	}
}

// fault lets something happen.
func (tr *trial) fault() {
	tr.t.Helper()
	pause := time.Duration(tr.rng.IntN(700)) * time.Millisecond
	faults := []func() string{
		func() string { tr.proxy.Cut(); return "cut" },
		func() string { tr.proxy.Freeze(); return "freeze" },
		func() string { tr.proxy.LoseRequests(); wait(pause); tr.proxy.Cut(); return "requests lost" },
		func() string { tr.proxy.LoseReplies(); wait(pause); tr.proxy.Cut(); return "replies lost" },
		func() string { tr.srv.Stop(); wait(pause / 2); tr.srv.Start(); return "restart" },
		func() string { tr.crash(); tr.start(); return "crash" },
		func() string { tr.crash(); wait(pause); tr.start(); return "crash and pause" },
		func() string { tr.stop(); tr.start(); return "stop" },
	}
	if tr.kind.remembers { // else everything would rightly come again
		faults = append(faults, func() string { tr.wipe(); return "wipe" })
		if tr.kind.durable {
			faults = append(faults, func() string { tr.deleteConsumer(); tr.consumer(); return "consumer anew" })
		}
	}
	what := faults[tr.rng.IntN(len(faults))]()
	tr.story = append(tr.story, what)
	wait(time.Duration(tr.rng.IntN(200)) * time.Millisecond)
}

// wipe loses everything that NATS had, which Ashbridge then makes again.
func (tr *trial) wipe() {
	tr.t.Helper()
	tr.lose(func() {
		tr.srv.Stop()
		tr.srv.Wipe()
		tr.srv.Start()
	})
	if tr.kind.durable {
		tr.consumer()
	}
}

func wait(d time.Duration) { <-time.After(d) }

// run publishes while faults happen, and then waits until the board has everything.
func (tr *trial) run(steps int, fault func()) (complete bool) {
	tr.t.Helper()
	tr.start()
	ctx, stop := context.WithCancel(context.Background())
	var publisher sync.WaitGroup
	rng := rand.New(rand.NewPCG(tr.rng.Uint64(), 3))
	publisher.Go(func() {
		for ctx.Err() == nil {
			batch := map[string]bool{}
			for range 1 + rng.IntN(30) {
				batch[fmt.Sprint("job", rng.IntN(300))] = true
			}
			for p := range batch {
				if rng.IntN(2) == 0 {
					tr.publish(p)
				}
			}
			wait(time.Duration(rng.IntN(10)) * time.Millisecond)
		}
	})
	end := func() { stop(); publisher.Wait() }
	defer end()
	for range steps {
		fault()
	}
	end()
	tr.proxy.Cut()
	return tr.settles()
}

// settles waits until the board has the latest of each job and, if it is a subscriber, has acknowledged all.
func (tr *trial) settles() bool {
	for deadline := time.Now().Add(tr.patience); time.Now().Before(deadline); wait(10 * time.Millisecond) {
		tr.db.mu.Lock()
		equal := maps.Equal(tr.db.jobs, tr.truth())
		tr.db.mu.Unlock()
		if !equal {
			continue
		}
		if !tr.kind.durable {
			return true
		}
		if info := tr.consumerInfo(); info.NumPending == 0 && info.NumAckPending == 0 {
			return true
		}
	}
	return false
}

// judgeStream says where the stream itself has not the latest of each job: then the test is at fault.
func (tr *trial) judgeStream() (faults []string) {
	there := map[string]int64{}
	err := tr.bus.EachEntry(tr.t.Context(), func(e bus.Entry) { there[e.Subject] = e.Version })
	for key, version := range tr.truth() {
		connection, posting, _ := strings.Cut(key, "/")
		if at := there[events.JobSubject(connection, posting)]; err != nil || at != version {
			faults = append(faults, fmt.Sprintf("the test is at fault: in the stream %s is at %d, not %d: %v", key, at, version, err))
		}
	}
	return faults
}

// judge says which promises were broken.
func (tr *trial) judge(complete bool) []string {
	tr.db.mu.Lock()
	defer tr.db.mu.Unlock()
	faults := tr.db.faults
	if !complete {
		missing := 0
		for key, version := range tr.truth() {
			if tr.db.jobs[key] != version {
				missing++
			}
		}
		faults = append(faults, fmt.Sprintf("the board lacks the latest state of %d jobs, or did not acknowledge all", missing))
		faults = append(faults, tr.judgeStream()...)
	}
	allowed := 0
	if !tr.kind.remembers {
		allowed = tr.unacknowledged
	}
	if tr.db.again > allowed {
		faults = append(faults, fmt.Sprintf("%d events came again, of which %d had not been acknowledged", tr.db.again, allowed))
	}
	return faults
}

// Whatever happens to the network, the server and the board: the versions of a job rise within a life, the board ends
// with the latest state of every job, and nothing comes again but what had not been acknowledged when it crashed.
func TestRandomFaults(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		for seed := *randomFirst; seed < *randomFirst+uint64(*randomSeeds); seed++ {
			t.Run(fmt.Sprintf("%s/%d", k.name, seed), func(t *testing.T) {
				t.Parallel()
				tr := newTrial(t, k, seed)
				complete := tr.run(*randomSteps, tr.fault)
				for _, f := range tr.judge(complete) {
					t.Error(f)
				}
				published := int64(0)
				for _, version := range tr.truth() {
					published += version
				}
				t.Logf("seed %d: %v; %d events of %d jobs, %d came again of %d unacknowledged",
					seed, tr.story, published, len(tr.truth()), tr.db.again, tr.unacknowledged)
			})
		}
	}
}
