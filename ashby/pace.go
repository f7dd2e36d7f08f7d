package ashby

import (
	"context"
	"math"
	"sync"
	"time"
)

const (
	// defaultPerMinute stays under Ashby's 1,000 a minute and key.
	defaultPerMinute = 880
	// ofStated is how much of a limit that Ashby states is used: its minutes need not begin when ours do.
	ofStated = 0.9
	// ofBackground is the share that background calls may have.
	ofBackground = 0.7
	// burstsPerMinute: a minute's steady requests and one burst stay under Ashby's limit, 880 and 48 under 1,000.
	burstsPerMinute = 18
	// slowest is the part of the pace that 429s leave.
	slowest = 1.0 / 20
	// After a 429 the pace recovers by one step of raiseBy each raiseEvery: from the half to the whole in five minutes.
	// Faster would run into the limit more often than once in some hundred requests where somebody else uses it too.
	raiseEvery, raiseBy = 10 * time.Second, 1.0 / 60
	// quarter is the part of a stated limit below which what remains is spread until the limit is reset.
	quarter = 1.0 / 4
)

// Pace lets the requests of one key go at a rate that adapts to Ashby. It never exceeds the rate it was made with; a 429
// halves it, and good answers restore it step by step; a limit that Ashby states caps it, and what Ashby says remains of
// that limit slows it down before a 429 comes, so that another user of the same key can have his part. It is safe for
// concurrent use; calls go in the order in which they came.
//
// https://docs.ashbyhq.com/how-do-i-generate-an-api-key
type Pace struct {
	// One call of each sort waits for its token, the others for their turn: nothing wakes more callers than may go.
	front, back chan struct{}

	mu      sync.Mutex
	ceiling float64 // all rates are per second
	rate    float64 // what 429s have left of ceiling
	stated  float64 // what Ashby's own limit allows, infinite while it states none
	// spread is the rate that makes what remains of the limit last until spreadEnd.
	spread    float64
	spreadEnd time.Time
	// tokens are for all calls, those of background for background calls besides; both as of at, which lies ahead while a
	// 429 holds.
	tokens, background float64
	at                 time.Time
	// isCut says that the rate was halved at cut and that no good answer came since: 429s of requests that were under
	// way together, and of those that look whether the limit still holds, are one reason.
	isCut       bool
	cut, raised time.Time
}

// NewPace returns a Pace that begins at perMinute requests a minute; 0 means 880, under Ashby's limit of 1,000 for a key.
func NewPace(perMinute int) *Pace {
	if perMinute <= 0 {
		perMinute = defaultPerMinute
	}
	p := &Pace{
		front: make(chan struct{}, 1), back: make(chan struct{}, 1),
		ceiling: float64(perMinute) / 60, rate: float64(perMinute) / 60, stated: math.Inf(1),
	}
	p.tokens, p.background = p.burst(), p.burst()*ofBackground
	return p
}

// wait returns when a request may go, or with the context's error.
func (p *Pace) wait(ctx context.Context) error {
	turn := p.front
	inBackground := isBackground(ctx)
	if inBackground {
		turn = p.back
	}
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return ended(ctx)
	}
	defer func() { <-turn }()
	for {
		left := p.take(time.Now(), inBackground)
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ended(ctx)
		}
	}
}

// take takes a token and returns 0, or says after what time to ask again.
func (p *Pace) take(now time.Time, inBackground bool) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(now)
	missing := 1 - p.tokens
	if inBackground {
		// It leaves tokens for a burst of others; one of them that waits for a token gets it first.
		burst := p.burst()
		missing = max(min(1+burst*(1-ofBackground), burst)-p.tokens, (1-p.background)/ofBackground)
	}
	if ahead := p.at.Sub(now); ahead > 0 {
		return ahead
	}
	if missing <= 0 {
		p.tokens--
		if inBackground {
			p.background--
		}
		return 0
	}
	wait := time.Duration(math.Ceil(missing/p.current(now)*1e9)) + time.Microsecond
	if end := p.spreadEnd.Sub(now); end > 0 {
		wait = min(wait, end) // the rate is another one then
	}
	return wait
}

// current is the rate now.
func (p *Pace) current(now time.Time) float64 {
	rate := min(p.rate, p.stated)
	if now.Before(p.spreadEnd) {
		rate = min(rate, p.spread)
	}
	return rate
}

// burst is how many requests may go at once; two at least, so that a background call can leave one.
func (p *Pace) burst() float64 { return max(2, min(p.rate, p.stated)*60/burstsPerMinute) }

// advance adds the tokens of the time since at.
func (p *Pace) advance(now time.Time) {
	if p.at.IsZero() {
		p.at = now
	}
	for p.at.Before(now) {
		to := now
		if p.at.Before(p.spreadEnd) && p.spreadEnd.Before(now) {
			to = p.spreadEnd
		}
		added := p.current(p.at) * to.Sub(p.at).Seconds()
		p.tokens += added
		p.background += added * ofBackground
		p.at = to
	}
	p.tokens, p.background = min(p.tokens, p.burst()), min(p.background, p.burst()*ofBackground)
}

// limited notes a 429 of a request sent at the given time. Nothing goes until the brake lets go, and then one request
// alone, which shows whether the limit still holds.
func (p *Pace) limited(sent, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.advance(now)
	p.tokens, p.background = 1, 1
	if until.After(p.at) {
		p.at = until
	}
	p.raised = p.at
	if !p.isCut && !sent.Before(p.cut) {
		p.rate, p.isCut, p.cut = max(min(p.rate, p.stated)/2, p.ceiling*slowest), true, now
	}
}

// answered notes an answer that was no 429, and what it said of the limit.
func (p *Pace) answered(sent time.Time, l limit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.advance(now)
	if sent.After(p.cut) {
		p.isCut = false
	}
	if p.rate < p.ceiling && now.Sub(p.raised) >= raiseEvery {
		p.rate, p.raised = min(p.rate+p.ceiling*raiseBy, p.ceiling), now
	}
	if l.total > 0 {
		p.stated = max(l.total*ofStated/60, p.ceiling*slowest)
	}
	p.follow(now, l)
}

// follow spreads what remains of the limit. Half of it is left to whoever else draws on it: if nobody does, there is more
// left to spread after each answer.
func (p *Pace) follow(now time.Time, l limit) {
	total := l.total
	if total <= 0 {
		total = p.ceiling * 60
	}
	switch {
	case !l.isKnown:
	case l.remaining > total*quarter:
		p.spreadEnd = time.Time{}
	default:
		p.spread = max(l.remaining-l.reserve(), 1) / l.resets.Seconds() / 2
		p.spreadEnd = now.Add(l.resets)
	}
}

// PaceState is how fast requests may go.
type PaceState struct {
	// PerMinute is the rate of requests.
	PerMinute float64
	// Slowed says that it is below the rate that was asked for; Paused that nothing goes at this moment, after a 429.
	Slowed, Paused bool
}

// State returns how fast requests may go at this moment.
func (p *Pace) State() PaceState {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.advance(now)
	rate := p.current(now)
	return PaceState{PerMinute: rate * 60, Slowed: rate < p.ceiling, Paused: p.at.After(now)}
}

type backgroundKey struct{}

// WithBackground marks the calls made with the context as ones that can wait: they have at most 70 % of the key's pace,
// and give way to those that are not marked.
func WithBackground(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, true)
}

func isBackground(ctx context.Context) bool { return ctx.Value(backgroundKey{}) != nil }
