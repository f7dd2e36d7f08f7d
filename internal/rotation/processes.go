package rotation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// await waits until fits is true of every process that was heard of within some time and did not stop in order.
func (r *Rotator) await(
	ctx context.Context, within time.Duration, doing string, key seal.KeyID, fits func(mirror.KeysetHolder) bool,
) error {
	deadline := time.Now().Add(r.o.Wait)
	said := ""
	for {
		if err := r.lead(ctx); err != nil {
			return err
		}
		holders, err := r.o.Store.Holders(ctx)
		if err != nil {
			return err
		}
		var missing, silent []string
		for _, h := range holders {
			switch {
			case h.Silent >= within || fits(h):
				continue
			case h.Silent >= aliveWithin:
				silent = append(silent, fmt.Sprintf("%s, silent for %s", describe(h), h.Silent.Round(time.Second)))
			}
			missing = append(missing, describe(h))
		}
		if len(missing) == 0 {
			return nil
		}
		list := strings.Join(missing, ", ")
		if len(silent) == len(missing) && time.Now().After(deadline) {
			return fmt.Errorf("%w: waiting for %s, %s %d: it did not stop in order and may come back; one that does not is forgotten after %s: "+
				"then call again", ErrWaiting, strings.Join(silent, "; "), doing, key, forgottenAfter)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: waiting for %s %s %d: copy %s to its place there, or where a container has the file mounted by itself, "+
				"restart it, or use --in-place; then call again", ErrWaiting, list, doing, key, r.o.Keys.Path())
		}
		if list != said {
			r.say("waiting for %s %s %d", list, doing, key)
			said = list
		}
		if err := loop.Sleep(ctx, r.o.LookEvery); err != nil {
			return err
		}
	}
}

func (r *Rotator) retire(ctx context.Context, key seal.KeyID, report Report) (Report, error) {
	holders, err := r.o.Store.Holders(ctx)
	if err != nil {
		return report, err
	}
	for _, h := range holders {
		if h.Silent < forgottenAfter && !sealsWith(h, key) {
			return report, fmt.Errorf("%w: %s was heard of %s ago and sealed with another key; one that does not come back is forgotten "+
				"after %s", ErrWaiting, describe(h), h.Silent.Round(time.Second), forgottenAfter)
		}
	}
	if report.Retired, err = r.o.Keys.Retire(key); err != nil {
		return report, err
	}
	report.Keys = r.o.Keys.Keys()
	return report, r.o.Store.Retire(ctx, uint32(key))
}

func has(h mirror.KeysetHolder, key seal.KeyID) bool {
	for _, id := range h.Keys {
		if seal.KeyID(id) == key {
			return true
		}
	}
	return false
}

func sealsWith(h mirror.KeysetHolder, key seal.KeyID) bool {
	return seal.KeyID(h.Sealing) == key && h.Fault == ""
}

// describe is a process for people.
func describe(h mirror.KeysetHolder) string {
	text := h.Service + " on " + h.Host
	if h.Fault != "" {
		text += " (" + h.Fault + ")"
	}
	return text
}
