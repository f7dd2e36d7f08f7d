package syncer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// quarantineRetries is how many objects in quarantine are read again in a round.
	quarantineRetries = 20
	// mostQuarantined bounds the objects in quarantine that a run knows, so that it sees which of them it has read well.
	mostQuarantined = 1000
)

// loadQuarantine learns which objects are in quarantine.
func (r *run) loadQuarantine(ctx context.Context) error {
	var kinds []string
	for _, res := range ashby.Catalogue() {
		if res.Kind != ashby.KindPosting && res.In(r.connection.Modules) {
			kinds = append(kinds, string(res.Kind))
		}
	}
	keys, err := r.d.s.opts.Passes.Quarantined(ctx, r.connection.ID, kinds, mostQuarantined)
	if err != nil {
		return fmt.Errorf("reading the quarantine: %w", err)
	}
	r.quarantined = make(map[mirror.RecordKey]bool, len(keys))
	for _, key := range keys {
		r.quarantined[key] = true
	}
	r.retries = keys[:min(len(keys), quarantineRetries)]
	return nil
}

// retryQuarantined reads objects again that could not be read before. Those that show no id, or cannot be read singly,
// come with their listing.
func (s *slice) retryQuarantined(ctx context.Context) (bool, error) {
	for _, key := range s.retries {
		res, _ := ashby.ResourceOf(ashby.Kind(key.Kind))
		if res.Info == "" || s.hasObject(key) || s.isRefused(res.Scope) {
			continue
		}
		if !s.budget.take() {
			return false, nil
		}
		s.objectDone(key)
		if err := s.retry(ctx, res, key); err != nil {
			return false, fmt.Errorf("reading what is in quarantine: %w", err)
		}
	}
	return true, nil
}

// retry reads an object in quarantine again. That it still cannot be read is known, and no failure of the round.
func (s *slice) retry(ctx context.Context, res ashby.Resource, key mirror.RecordKey) error {
	err := s.refreshRecord(ctx, res.Kind, key.ID, nil)
	switch {
	case err == nil:
		s.answered()
		return s.applyLocked(ctx, mirror.Unit{Released: []mirror.RecordKey{key}})
	case !isLocal(ctx, err):
		if err = s.leaveOut(ctx, res, err); err != nil {
			return err
		}
	}
	return s.again(ctx, key)
}

// again puts an object back into quarantine, behind the others.
func (s *slice) again(ctx context.Context, key mirror.RecordKey) error {
	return s.applyLocked(ctx, mirror.Unit{Bad: []mirror.BadRow{{
		Kind: key.Kind, ID: key.ID, Shape: map[string]string{}, // the reason stays the one that put it there
	}}})
}

// putAside puts an object into quarantine that could not be read singly.
func (r *run) putAside(ctx context.Context, key mirror.RecordKey, because error) mirror.BadRow {
	r.d.s.opts.Metrics.badRow(ashby.Kind(key.Kind))
	r.d.log.WarnContext(ctx, "object put into quarantine", "kind", key.Kind, "object", key.ID, "error", brief(because))
	return mirror.BadRow{Kind: key.Kind, ID: key.ID, Reason: brief(because), Shape: map[string]string{}}
}

// badRows counts and logs rows that could not be read, and puts them into quarantine. They close nothing, and nothing
// waits for them.
func (r *run) badRows(ctx context.Context, kind ashby.Kind, bad []ashby.BadRow) []mirror.BadRow {
	var out []mirror.BadRow
	for _, b := range bad {
		r.badRow(ctx, kind, b.ID, b.Err)
		out = append(out, mirror.BadRow{Kind: string(kind), ID: rowID(b), Reason: b.Err.Error(), Shape: b.Shape})
	}
	return out
}

// rowID is the id of a row, or a name that is the same for rows that are wrong in the same way.
func rowID(b ashby.BadRow) string {
	if b.ID != "" {
		return b.ID
	}
	h := sha256.New()
	_, _ = fmt.Fprintln(h, b.Err)
	for _, member := range slices.Sorted(maps.Keys(b.Shape)) {
		_, _ = fmt.Fprintln(h, member, b.Shape[member])
	}
	return "row-" + hex.EncodeToString(h.Sum(nil)[:8])
}

// brief is what may be kept and logged of an error in the reading of people's data: what was asked, and what kind of
// failure it was. Ashby's own words may quote a name.
func brief(err error) string {
	var failure *ashby.APIError
	if errors.As(err, &failure) {
		return failure.Brief()
	}
	return err.Error()
}
