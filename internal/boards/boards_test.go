package boards_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/boards"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// world is a row and a consumer; before runs in front of each call.
type world struct {
	row      mirror.Subscriber
	consumer *mirror.Subscriber
	before   func(call string)
	err      error
}

func (w *world) call(name string) {
	if w.before != nil {
		w.before(name)
	}
}

func (w *world) SubscriberMade(_ context.Context, s mirror.Subscriber) (mirror.Subscriber, error) {
	w.call("made")
	if w.row.SameConsumer(s) && w.row.RevokedAt == nil {
		now := time.Now()
		w.row.MadeAt = &now
	}
	return w.row, w.err
}

func (w *world) SubscriberLost(_ context.Context, s mirror.Subscriber) (mirror.Subscriber, error) {
	w.call("lost")
	if w.row.SameState(s) {
		w.row.Start, w.row.MadeAt = mirror.Start{Kind: mirror.StartSnapshot}, nil
	}
	return w.row, nil
}

func (w *world) PutSubscriber(_ context.Context, s mirror.Subscriber) error {
	w.call("put")
	if s.Start.Kind == mirror.StartPrevious && w.consumer == nil {
		return mirror.ErrNoConsumer
	}
	w.consumer = &s
	return w.err
}

func (w *world) DropSubscriber(context.Context, string, int) error {
	w.call("drop")
	w.consumer = nil
	return nil
}

func subscriber() mirror.Subscriber {
	return mirror.Subscriber{ID: "sub_1", Generation: 1, Replay: 1, Start: mirror.Start{Kind: mirror.StartSnapshot}}
}

func TestSettleEndsWithWhatTheRowSays(t *testing.T) {
	t.Parallel()
	revoked := time.Now()
	for name, change := range map[string]func(w *world){
		"nothing":   func(*world) {},
		"replayed":  func(w *world) { w.row.Replay++ },
		"rotated":   func(w *world) { w.row.Generation++ },
		"revoked":   func(w *world) { w.row.RevokedAt = &revoked },
		"and again": func(w *world) { w.row.Replay += 2; w.row.RevokedAt = &revoked },
	} {
		for _, at := range []string{"put", "made"} {
			w := &world{row: subscriber()}
			w.before = func(call string) {
				if call == at {
					w.before = nil
					change(w)
				}
			}
			got, err := boards.Settle(t.Context(), w, w, w.row)
			if err != nil || !got.SameConsumer(w.row) {
				t.Errorf("%s at %s: %+v, %v", name, at, got, err)
			}
			if w.row.RevokedAt != nil && w.consumer != nil || w.row.RevokedAt == nil && (w.consumer == nil || !w.consumer.SameConsumer(w.row)) {
				t.Errorf("%s at %s: the consumer is %+v", name, at, w.consumer)
			}
		}
	}
}

func TestSettleMakesALostOneAnew(t *testing.T) {
	t.Parallel()
	w := &world{row: subscriber()}
	w.row.Generation, w.row.Start = 2, mirror.Start{Kind: mirror.StartPrevious}
	got, err := boards.Settle(t.Context(), w, w, w.row)
	if err != nil || got.Replay != 1 || got.MadeAt == nil || w.consumer.Start.Kind != mirror.StartSnapshot {
		t.Errorf("%+v, %v", got, err)
	}
}

// A slow process makes a consumer as it was to begin before it was lost, and comes to know that only afterwards.
func TestSettleHearsOfALoss(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"put", "made"} {
		w := &world{row: subscriber()}
		w.row.Start = mirror.Start{Kind: mirror.StartSequence, Sequence: 77}
		stale := w.row
		w.before = func(call string) {
			if call == at {
				w.before = nil
				w.row.Start = mirror.Start{Kind: mirror.StartSnapshot}
			}
		}
		got, err := boards.Settle(t.Context(), w, w, stale)
		if err != nil || !got.SameState(w.row) || got.MadeAt == nil || w.consumer.Start.Kind != mirror.StartSnapshot {
			t.Errorf("at %s: %+v, %v; the consumer is %+v", at, got, err, w.consumer)
		}
	}
}

func TestSettleGivesUp(t *testing.T) {
	t.Parallel()
	w := &world{row: subscriber()}
	w.before = func(string) { w.row.Replay++ }
	if _, err := boards.Settle(t.Context(), w, w, w.row); err == nil {
		t.Error("no end, and no error")
	}
	boom := errors.New("boom")
	w = &world{row: subscriber(), err: boom}
	if _, err := boards.Settle(t.Context(), w, w, w.row); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
}
