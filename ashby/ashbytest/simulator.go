package ashbytest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options configures a Simulator. The zero value is ready for use.
type Options struct {
	// Now is the clock of updatedAt, of rate windows and of the logs; time.Now when nil. Waiting between webhook retries
	// follows the real clock all the same, scaled by RetryScale.
	Now func() time.Time
	// RetryScale stretches the waits between webhook attempts: 1, and zero, is Ashby's schedule of 10 s, 30 s, 70 s …;
	// tests use 0.001.
	RetryScale float64
	// RequestsPerMinute is what each key may ask before it gets 429; zero means 1000, as Ashby publishes.
	RequestsPerMinute int
	// PageSize is the most rows that a page has, whatever limit asks for; zero means 100, as Ashby allows.
	PageSize int
	// Seed decides all generated data, together with the organisation's slug.
	Seed uint64
	// Logger hears of deliveries that failed; nil discards.
	Logger *slog.Logger
	// Latency is waited before each answer.
	Latency time.Duration
	// ErrorForm is the form of error envelopes; zero means FormA.
	ErrorForm ErrorForm
	// TokenAge is how long sync tokens and cursors are good; zero is for ever. How long Ashby's are is not documented.
	TokenAge time.Duration
	// Transport carries the webhooks; nil is the network.
	Transport http.RoundTripper
	// Control opens the control path, by which whoever reaches the server may change everything in it.
	Control bool
	// QuietChildren leaves a candidate, an application or a schedule as it was when a note, an entry or an event of it
	// changes. What Ashby does is not documented.
	QuietChildren bool
	// UnsignedPings leaves the signature off pings. Whether Ashby signs them is not documented.
	UnsignedPings bool
}

// Simulator stands in for api.ashbyhq.com. All its methods and those of its organisations may be called from any
// goroutine. Close must be called when it is no longer needed.
type Simulator struct {
	opts      Options
	catalogue catalogue
	instance  [instanceSize]byte // sync tokens of another simulator are invalid here, unless this one was loaded from it
	client    *http.Client
	routes    map[string]endpoint

	late atomic.Int32 // answers held back

	mu         sync.Mutex
	orgs       map[string]*Organization
	keys       map[string]*apiKey
	faults     []*Fault
	taken      map[FaultKind]int
	takenNames map[string]int
	requests   journal[Request]
	attempts   journal[Attempt]
	served     uint64
	failures   uint64 // error envelopes sent, for FormAlternating
	onChange   func(org, posting string, at time.Time)

	// lifetime runs from New to Close. Deliveries outlive the edits that cause them and belong to no caller's context, so
	// that this one is kept.
	lifetime   context.Context
	stop       context.CancelFunc
	deliveries sync.WaitGroup
	closed     bool
	pending    int
	idle       chan struct{} // closed while pending is zero
}

// New returns a simulator without organisations.
func New(opts Options) *Simulator {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.RetryScale == 0 {
		opts.RetryScale = 1
	}
	if opts.RequestsPerMinute == 0 {
		opts.RequestsPerMinute = 1000
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Simulator{
		opts:       opts,
		catalogue:  newCatalogue(),
		client:     deliveryClient(opts.Transport),
		orgs:       make(map[string]*Organization),
		keys:       make(map[string]*apiKey),
		taken:      make(map[FaultKind]int),
		takenNames: make(map[string]int),
		idle:       make(chan struct{}),
	}
	close(s.idle)
	s.lifetime, s.stop = context.WithCancel(context.Background())
	_, _ = rand.Read(s.instance[:]) // never fails, by the contract of crypto/rand
	s.routes = endpoints(s.catalogue)
	return s
}

// Close stops all webhook deliveries and returns when they have ended. Requests that hang in FaultTimeout or FaultSlowBody
// are let go.
func (s *Simulator) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.deliveries.Wait()
	s.client.CloseIdleConnections()
}

// OnChange has fn called, outside all locks and before any webhook leaves, each time a posting changes; at is the
// posting's new updatedAt. It replaces an earlier fn; nil ends it.
func (s *Simulator) OnChange(fn func(org, posting string, at time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onChange = fn
}
