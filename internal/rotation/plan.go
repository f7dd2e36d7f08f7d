package rotation

import (
	"context"
	"errors"
	"fmt"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// Plan is what a call would find, and do.
type Plan struct {
	Report
	// Next says what a rotation would do, in a sentence.
	Next string
	// Holders are the processes that were heard of within the last day and did not stop in order.
	Holders []mirror.KeysetHolder
}

// Plan looks and changes nothing.
func (r *Rotator) Plan(ctx context.Context) (Plan, error) {
	var p Plan
	p.Report = r.report()
	if _, err := r.o.Keys.Refresh(); err != nil {
		return p, err
	}
	present, err := r.o.Store.Rotation(ctx)
	isFirst := errors.Is(err, mirror.ErrNotFound)
	if err != nil && !isFirst {
		return p, err
	}
	if p.Holders, err = r.o.Store.Holders(ctx); err != nil {
		return p, err
	}
	key := r.o.Keys.Keys().Sealing
	if !isFirst && !present.Finished {
		key = seal.KeyID(present.Key)
	}
	counted, err := r.pass(ctx, key, false)
	if err != nil {
		return p, err
	}
	p.Report = counted
	refused := r.lacking(counted.Damaged)
	if !isFirst && (present.Required || present.Finished) {
		if err := r.mustHave(present); err != nil {
			refused = err
		}
	}
	switch {
	case refused != nil:
		p.Next = "nothing is done, since " + refused.Error()
	case !isFirst && !present.Finished:
		p.Next = fmt.Sprintf("a rotation to key %d goes on: %d are to be sealed anew", key, counted.Older)
	default:
		p.Next = fmt.Sprintf("a new key is added, and %d are sealed anew with it", counted.Older+counted.Sealed)
	}
	return p, nil
}
