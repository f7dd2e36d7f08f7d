package syncer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// advanceEvery is how often a running poll notes its progress at most.
const advanceEvery = time.Second

// poll compares a connection with Ashby, once.
type poll struct {
	run
	started time.Time
	inbox   []int64
	// listings are the public states as they were before the listing of postings was asked for.
	listings map[string]mirror.Listing

	mu          sync.Mutex
	done, total int
	advanced    time.Time
	// unread are the postings that could not be read; empty for a row that does not even show its id.
	unread []string
	// unanswered counts the postings in a row whose reads Ashby did not answer.
	unanswered int
	// leftOut are the listings that could not be read.
	leftOut []string
	result  pollResult
	// reread is the time up to which unchanged postings were read again; zero where none were due.
	reread time.Time
}

// pollResult is what a poll found.
type pollResult struct {
	// atAshby counts the postings that the listing showed, read those read singly, reread the unchanged ones among them,
	// vanished the public ones that it lacked, held those whose closing waits, unread those that could not be read.
	atAshby, read, reread, vanished, held, unread int
	trigger                                       mirror.Trigger
	// leftOut says that a listing could not be read.
	leftOut bool
}

// poll runs one poll. An error says that it is incomplete; what it applied until then stands.
func (d *desk) poll(ctx context.Context, a access) (pollResult, error) {
	r, err := d.newRun(ctx, a, events.OriginPoll)
	if err != nil {
		return pollResult{}, err
	}
	if err := r.loadQuarantine(ctx); err != nil {
		return pollResult{}, err
	}
	p := &poll{run: r, started: time.Now()}
	defer d.dropHeads()
	if p.result.trigger, err = d.s.opts.Progress.StartPoll(ctx, d.mandate(), pollClaim); err != nil {
		return pollResult{}, fmt.Errorf("starting the poll: %w", err)
	}
	// Webhooks that name no object and came in before the first call are answered by this poll, if it completes. Those
	// that name one are not: the poll reads only what the listing shows as changed.
	if p.inbox, err = d.inboxOf(ctx, task{kind: mirror.HintPoll}); err != nil {
		return pollResult{}, err
	}
	err = p.compare(ctx)
	if err == nil {
		err = p.finish(ctx)
	}
	return p.result, err
}

// compare goes through the kinds. Locations, departments and boards come first, since postings are translated with them
// and listed by board; what the organisation's permission opens is left out where the key lacks it. Jobs come last: each
// posting brings its own.
func (p *poll) compare(ctx context.Context) error {
	if p.connection.Status == mirror.StatusUnauthorized {
		if _, err := p.client.Postings(ctx); err != nil { // the primary board will do
			return fmt.Errorf("probing the key: %w", err)
		}
	}
	refused := map[string]bool{}
	for _, kind := range polled {
		if kind != ashby.KindJob {
			if err := p.readKind(ctx, kind, refused); err != nil {
				return err
			}
		}
	}
	if err := p.readPostings(ctx); err != nil {
		return err
	}
	if err := p.readKind(ctx, ashby.KindJob, refused); err != nil {
		return err
	}
	return p.retranslate(ctx)
}

// readKind reads a kind's listing, unless the key lacks its permission and may do without. One that has failed for several
// polls in a row is left out, too: what is stored of it will do.
func (p *poll) readKind(ctx context.Context, kind ashby.Kind, refused map[string]bool) error {
	res, _ := ashby.ResourceOf(kind)
	if refused[res.Scope] {
		return nil
	}
	_, err := p.readListing(ctx, listing{res: res}, false, nil)
	postings, _ := ashby.ResourceOf(ashby.KindPosting)
	switch {
	case err == nil:
		p.d.listed(kind)
	case errors.Is(err, ashby.ErrMissingPermission) && res.Scope != postings.Scope:
		refused[res.Scope] = true
		p.d.log.InfoContext(ctx, "kind left out", "kind", kind, "error", err)
		err = nil
	case concernsOne(ctx, err) && p.d.notListed(kind):
		p.d.log.WarnContext(ctx, "listing left out", "kind", kind, "error", err)
		p.leftOut = append(p.leftOut, res.List)
		err = nil
	}
	p.advance(ctx)
	return err
}

// finish settles a poll that went through everything. It is complete if it read all of it, or if all that it could not
// read has been unreadable for so long that the rest must not wait for it any longer.
func (p *poll) finish(ctx context.Context) error {
	p.result.unread, p.result.leftOut = len(p.unread), len(p.leftOut) > 0
	var err error
	if givenUp := p.d.countUnread(p.unread); givenUp {
		err = p.complete(ctx)
	} else {
		err = p.d.s.opts.Progress.FailPoll(ctx, p.d.mandate(), unreadReason(p.unread, p.leftOut)+" They are tried again soon.",
			min(jittered(incompletePause), p.nextPoll()))
	}
	if err != nil {
		return fmt.Errorf("finishing the poll: %w", err)
	}
	// Ashby took this key all along, whatever was thought of it meanwhile.
	return p.d.setStatus(ctx, mirror.StatusChange{Status: mirror.StatusActive, Key: p.sealed})
}

// complete notes the poll as complete.
func (p *poll) complete(ctx context.Context) error {
	if err := p.answerInbox(ctx, p.inbox); err != nil {
		return err
	}
	done := mirror.CompletePoll{
		Started: p.started, AtAshby: p.result.atAshby, Next: p.nextPoll(), RereadUntil: p.reread,
	}
	done.Unread = unreadReason(p.unread, p.leftOut)
	event, err := p.d.s.opts.Progress.FinishPoll(ctx, p.d.mandate(), done)
	if err != nil {
		return err
	}
	if event {
		p.d.s.opts.Bus.WakeRelay()
	}
	return nil
}

// nextPoll is after how long the next poll is due.
func (p *poll) nextPoll() time.Duration {
	next := untilTurn(p.connection.ID, max(p.connection.PollInterval, pollMin), time.Now())
	if p.result.held > 0 { // the listing that must agree is wanted as soon as it counts
		next = min(next, mirror.HoldTime+rand.N(30*time.Second))
	}
	return next
}

// advance notes progress, now and then.
func (p *poll) advance(ctx context.Context) {
	p.mu.Lock()
	last := p.advanced
	if last.IsZero() {
		last = p.started
	}
	p.mu.Unlock()
	if time.Since(last) >= advanceEvery {
		p.noteProgress(ctx)
	}
}

// noteProgress notes progress now. A store that fails is noticed by the next unit of work.
func (p *poll) noteProgress(ctx context.Context) {
	p.mu.Lock()
	done, total := p.done, p.total
	p.advanced = time.Now()
	p.mu.Unlock()
	if err := p.d.s.opts.Progress.Advance(ctx, p.d.mandate(), done, total, pollClaim); err != nil {
		p.d.log.DebugContext(ctx, "progress not noted", "error", err)
	}
}

// retranslate makes the public jobs anew whose translation is of another making: the employer was renamed, or this
// program translates differently from its predecessor.
func (p *poll) retranslate(ctx context.Context) error {
	var ids []string
	for id, l := range p.listings {
		if l.State == mirror.StateOpen && l.Translator != p.translator {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for part := range slices.Chunk(ids, chunk) {
		if err := p.retranslateChunk(ctx, part); err != nil {
			return fmt.Errorf("translating anew: %w", err)
		}
		p.advance(ctx)
	}
	return nil
}

func (p *poll) retranslateChunk(ctx context.Context, ids []string) error {
	p.d.applying.Lock()
	defer p.d.applying.Unlock()
	return p.commit(ctx, mirror.Unit{}, change{postings: ids, observed: p.started})
}
