package notifier

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
)

// handover keeps the lease with a process that has NATS. One that stands by and has NATS says so, by a lease of its own. One
// that relays and has been without NATS for BusPatience gives the relay's lease up where another said so, and nobody without
// NATS asks for it as long as that stands. Where NATS is away from all, nothing changes hands: somebody goes on holding the
// lease and showing how long events wait.
//
// Its methods are called from the goroutine that asks for the lease, or while that one waits for them.
type handover struct {
	*Notifier
	// announced is when this process last said that it stands by with NATS; zero where it does not.
	announced time.Time
}

// may says whether this process asks for the relay's lease now.
func (h *handover) may(ctx context.Context) bool {
	if h.Bus.Connected() {
		h.announce(ctx)
		return true
	}
	h.withdraw(ctx)
	return !h.isAnother(ctx)
}

// announce says that this process stands by and has NATS, as long as no other has said so.
func (h *handover) announce(ctx context.Context) {
	if !h.Bus.Ready() || time.Since(h.announced) < h.LeaseTTL/3 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, h.LeaseTTL/3)
	defer cancel()
	// Where another stands for all, this one asks again after the same time. The question for the relay's lease follows and
	// tells of a store that fails.
	h.announced = time.Now()
	_, _, _ = h.Store.Acquire(ctx, StandbyLease, h.Owner, h.LeaseTTL)
}

// withdraw takes it back: this process relays, has lost NATS, or ends. What cannot be taken back expires.
func (h *handover) withdraw(ctx context.Context) {
	if h.announced.IsZero() {
		return
	}
	h.announced = time.Time{}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := h.Store.Release(ctx, StandbyLease, h.Owner); err != nil {
		h.Logger.WarnContext(ctx, "lease not released", "lease", StandbyLease, "error", err)
	}
}

// isAnother says whether another process stands by with NATS, as far as can be told.
func (h *handover) isAnother(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, h.LeaseTTL/3)
	defer cancel()
	owner, err := h.Store.LeaseOwner(ctx, StandbyLease)
	return err == nil && owner != "" && owner != h.Owner
}

// watch calls giveUp where this process has had no NATS for BusPatience and another has, and returns then or when ctx ends.
func (h *handover) watch(ctx context.Context, giveUp func()) {
	last := time.Now()
	for loop.Sleep(ctx, min(busWait, h.BusPatience/4)) == nil {
		if h.Bus.Connected() {
			last = time.Now()
			continue
		}
		if away := time.Since(last); away >= h.BusPatience && h.isAnother(ctx) {
			h.Logger.WarnContext(ctx, "NATS is away from this process and not from another, which is to relay", "away", away)
			giveUp()
			return
		}
	}
}
