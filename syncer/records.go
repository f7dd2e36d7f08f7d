package syncer

import (
	"context"
	"fmt"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// applyRecords applies admitted records of a listing without publication state of its own. The caller holds d.applying.
func (r *run) applyRecords(ctx context.Context, l listing, rows []ashby.Record, u mirror.Unit) error {
	changed, known, err := r.changedRecords(ctx, l, rows)
	if err != nil {
		return err
	}
	u.Upserts = append(u.Upserts, changed...)
	var c change
	for _, rec := range changed {
		c.observed = rec.FetchedAt
	}
	if err := r.consequences(ctx, l.res.Kind, changed, &c); err != nil {
		return err
	}
	for _, child := range ashby.Children(l.res.Kind) {
		if !child.In(r.connection.Modules) {
			continue
		}
		for _, rec := range changed {
			u.StaleParents = append(u.StaleParents, mirror.ParentKey{Kind: string(child.Kind), Parent: rec.ID})
		}
	}
	for _, row := range rows {
		if key := keyFor(l.res.Kind, row.ID); r.isQuarantined(key) {
			u.Released = append(u.Released, key)
		}
	}
	if err := r.commit(ctx, u, c); err != nil {
		return err
	}
	r.foundRecords(ctx, l.res.Kind, changed, known, c)
	return nil
}

// changedRecords are the rows that differ from what is stored, as they are to be stored, and what was known of them.
func (r *run) changedRecords(ctx context.Context, l listing, rows []ashby.Record) (
	changed []mirror.Record, known map[string]mirror.Head, err error,
) {
	if len(rows) == 0 {
		return nil, nil, nil
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	if known, err = r.stored(ctx, l.res.Kind, ids); err != nil {
		return nil, nil, err
	}
	for _, row := range rows {
		rec := record(row)
		rec.Variant = l.variant
		if l.res.Personal {
			rec.Hash = r.d.s.opts.Seal.Fingerprint(ashby.Secret(rec.Hash))
		}
		if !differs(rec, known) {
			continue
		}
		if l.res.Personal {
			if err := r.seal(&rec); err != nil {
				return nil, nil, err
			}
		}
		changed = append(changed, rec)
	}
	return changed, known, nil
}

// seal puts a sealed document in the place of a plain one. It is bound to the record, so that it opens nowhere else.
func (r *run) seal(rec *mirror.Record) error {
	sealed, err := r.d.s.opts.Seal.Seal(ashby.Secret(rec.Doc), r.connection.ID, mirror.RecordSecret(rec.Kind, rec.ID))
	if err != nil {
		return fmt.Errorf("sealing a %s: %w", rec.Kind, err)
	}
	rec.Doc, rec.Sealed = nil, sealed
	return nil
}
