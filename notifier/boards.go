package notifier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/boards"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier/fleet"
)

// boardKeeper keeps the consumers of job boards as their rows say: it makes those that NATS lost, ends what a gateway began
// and could not finish, and removes what belongs to nobody any more. It runs beside the relay under its lease, so that the
// consumers are listed once and not by each process that stands by; gateways change them at the same time, which package
// boards is made for.
type boardKeeper struct {
	*Notifier
	// generation is the connection on which the last look succeeded.
	generation uint64
	nextLook   time.Time
	listeners  listeners
}

func (n *Notifier) runBoards(ctx context.Context) {
	k := &boardKeeper{Notifier: n, listeners: listeners{}}
	defer k.metrics.boards.subscribers.Set(0) // whoever keeps them next shows them
	defer k.stopListening()
	n.attend(ctx, nil, k.runOnce)
}

// boardIdle is how often the keeper looks whether the connection is another one.
const boardIdle = time.Second

func (k *boardKeeper) runOnce(ctx context.Context) (time.Duration, error) {
	generation := k.Bus.Generation()
	if k.generation == generation && time.Now().Before(k.nextLook) {
		return min(boardIdle, time.Until(k.nextLook)), nil
	}
	if !k.Bus.Ready() {
		k.pauseForBus(ctx)
		return 0, nil
	}
	if err := k.look(ctx); err != nil {
		return 0, err
	}
	k.generation, k.nextLook = generation, time.Now().Add(k.AuditEvery)
	return min(boardIdle, k.AuditEvery), nil
}

// look compares all rows with all consumers. The rows are read first: a subscriber that is missing among them, or has
// changed since, is read once more before anything of its is removed, and nothing is made by an old state.
func (k *boardKeeper) look(ctx context.Context) error {
	rows, err := k.BoardStore.ActiveSubscribers(ctx)
	if err != nil {
		return k.boardError(failureStore, "reading subscribers", err)
	}
	consumers, err := k.Bus.BoardConsumers(ctx)
	if err != nil {
		return k.boardError(failureBus, "looking for the boards' consumers", err)
	}
	k.metrics.boards.subscribers.Set(float64(len(rows)))
	there := make(map[string]bus.BoardConsumer, len(consumers))
	for _, c := range consumers {
		there[c.Name] = c
	}
	k.showBoards(rows, there)
	errs := []error{k.listen(ctx, consumers)}
	for _, s := range rows {
		c, is := there[s.User()]
		if is && c.Replay == s.Replay && s.MadeAt != nil {
			delete(there, s.User())
			continue
		}
		if is && c.Replay > s.Replay {
			continue // ahead of its row: looked at below
		}
		delete(there, s.User())
		errs = append(errs, k.mend(ctx, s, is))
	}
	for _, c := range there {
		errs = append(errs, k.remove(ctx, c))
	}
	return errors.Join(errs...)
}

// showBoards shows how far the boards are behind.
func (k *boardKeeper) showBoards(rows []mirror.Subscriber, there map[string]bus.BoardConsumer) {
	if k.fleet == nil {
		return
	}
	var shown []fleet.Board
	for _, s := range rows {
		if c, is := there[s.User()]; is {
			shown = append(shown, fleet.Board{Subscriber: s.ID, Name: s.Name, Pending: c.Pending})
		}
	}
	k.fleet.ShowBoards(shown)
}

// mend makes a consumer what its row says. One that had been made and is not there is lost: it begins with a snapshot under
// the same replay number, so that its board passes over what it knows.
func (k *boardKeeper) mend(ctx context.Context, s mirror.Subscriber, is bool) error {
	lost := !is && s.MadeAt != nil
	if lost {
		var err error
		if s, err = k.BoardStore.SubscriberLost(ctx, s); errors.Is(err, mirror.ErrRevoked) {
			return nil // in this moment
		} else if err != nil {
			return k.boardError(failureStore, "noting that a consumer is lost", err)
		}
	}
	after, err := boards.Settle(ctx, k.BoardStore, k.Bus, s)
	if err != nil {
		return k.boardError(failureBus, "mending a board's consumer", err)
	}
	if lost {
		k.metrics.boards.lost.Inc()
		k.Logger.WarnContext(ctx, "a board's consumer was lost and begins anew with a snapshot",
			"subscriber", after.ID, "consumer", after.User(), "replay", after.Replay)
		return nil
	}
	k.metrics.boards.finished.Inc()
	k.Logger.InfoContext(ctx, "a board's consumer is as it was asked for",
		"subscriber", after.ID, "consumer", after.User(), "replay", after.Replay)
	return nil
}

// remove removes a consumer that no row stands for: of a subscriber that was revoked or has another generation, or whose row
// is gone. One that is ahead of its row shows that the database was set back to an older copy.
func (k *boardKeeper) remove(ctx context.Context, c bus.BoardConsumer) error {
	s, err := k.BoardStore.Subscriber(ctx, c.Subscriber)
	switch {
	case err == nil && s.RevokedAt == nil && s.User() == c.Name && s.Replay >= c.Replay:
		return nil // made in this moment
	case err == nil && s.RevokedAt == nil && s.User() == c.Name:
		return k.replayBoards(ctx)
	case err != nil && !errors.Is(err, mirror.ErrNotFound):
		return k.boardError(failureStore, "reading a subscriber", err)
	}
	if err := k.Bus.DropConsumer(ctx, c.Name); err != nil {
		return k.boardError(failureBus, "removing a board's consumer", err)
	}
	k.metrics.boards.removed.Inc()
	k.Logger.WarnContext(ctx, "a board's consumer belonged to nobody and was removed",
		"subscriber", c.Subscriber, "consumer", c.Name)
	return nil
}

func (k *boardKeeper) boardError(part, doing string, err error) error {
	k.metrics.failures.WithLabelValues(part).Inc()
	return fmt.Errorf("%s: %w", doing, err)
}

// replayBoards has all boards begin anew and forget the versions that they know, because NATS showed versions, jobs or
// replays that the database does not know: somebody else wrote them, or the database was set back to an older copy. Where its
// jobs come again, they begin with version 1, which a board that has seen a higher one would pass over. The keeper makes the
// consumers.
func (n *Notifier) replayBoards(ctx context.Context) error {
	if n.BoardStore == nil {
		return nil
	}
	const doing = "having boards begin anew"
	consumers, err := n.Bus.BoardConsumers(ctx)
	if err != nil {
		n.metrics.failures.WithLabelValues(failureBus).Inc()
		return fmt.Errorf("%s: %w", doing, err)
	}
	// A database that was set back counts replays from there as well; a board must see another number than it knows.
	highest := 0
	for _, c := range consumers {
		highest = max(highest, c.Replay)
	}
	boards, err := n.BoardStore.ReplayAll(ctx, highest)
	if err != nil {
		n.metrics.failures.WithLabelValues(failureStore).Inc()
		return fmt.Errorf("%s: %w", doing, err)
	}
	n.Logger.WarnContext(ctx, "NATS told what the database does not know; all boards begin anew with a snapshot",
		"stream", bus.StreamJobs, "subscribers", boards)
	return nil
}
