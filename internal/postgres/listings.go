package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// listingRow is a row of listings, as far as a decision needs it.
type listingRow struct {
	Posting    string          `db:"posting_id"`
	State      string          `db:"state"`
	Version    int64           `db:"version"`
	Job        json.RawMessage `db:"job"`
	Hash       []byte          `db:"hash"`
	Translator string          `db:"translator"`
	Reason     events.Reason   `db:"reason"`
	VerifiedAt time.Time       `db:"verified_at"`
}

// Listings returns the listings that are stored for a connection, open and closed, without their Job.
func (s Syncer) Listings(ctx context.Context, connection string) (map[string]mirror.Listing, error) {
	var rows []listingRow
	if err := s.db.x.SelectContext(ctx, &rows, `
		SELECT posting_id, state, version, hash, translator, reason, verified_at
		FROM listings
		WHERE connection_id = $1`, connection); err != nil {
		return nil, wrap(ctx, "reading listings", err)
	}
	listings := make(map[string]mirror.Listing, len(rows))
	for _, r := range rows {
		listings[r.Posting] = mirror.Listing(r)
	}
	return listings, nil
}

// applyListings decides and writes the next state of each posting, and returns the events that made.
func applyListings(
	ctx context.Context, tx *sqlx.Tx, connection string, wants []mirror.Desired, origin events.Origin,
) ([]mirror.Made, error) {
	var made []mirror.Made
	for some := range slices.Chunk(lastOfEach(wants), chunk) {
		current, err := lockListings(ctx, tx, connection, some)
		if err != nil {
			return nil, err
		}
		changes, err := decide(current, some, origin)
		if err != nil {
			return nil, err
		}
		if err := changes.write(ctx, tx, connection); err != nil {
			return nil, err
		}
		made = append(made, changes.made()...)
	}
	return made, nil
}

// lastOfEach keeps the last wish for each posting, in the order in which rows are locked.
func lastOfEach(wants []mirror.Desired) []mirror.Desired {
	byPosting := make(map[string]mirror.Desired, len(wants))
	for _, w := range wants {
		byPosting[w.Posting] = w
	}
	last := make([]mirror.Desired, 0, len(byPosting))
	for _, w := range byPosting {
		last = append(last, w)
	}
	slices.SortFunc(last, func(a, b mirror.Desired) int { return strings.Compare(a.Posting, b.Posting) })
	return last
}

// lockListings locks the rows that there are and returns them. A posting without a row cannot be locked; whoever
// inserts it second finds out by its version.
func lockListings(
	ctx context.Context, tx *sqlx.Tx, connection string, wants []mirror.Desired,
) (map[string]mirror.Listing, error) {
	postings := make([]string, 0, len(wants))
	for _, w := range wants {
		postings = append(postings, w.Posting)
	}
	var rows []listingRow
	if err := tx.SelectContext(ctx, &rows, `
		SELECT posting_id, state, version, job, hash, translator, reason, verified_at
		FROM listings
		WHERE connection_id = $1 AND posting_id = ANY($2)
		ORDER BY posting_id
		FOR UPDATE`, connection, textArray(postings)); err != nil {
		return nil, err
	}
	current := make(map[string]mirror.Listing, len(rows))
	for _, r := range rows {
		current[r.Posting] = mirror.Listing(r)
	}
	return current, nil
}

// changes are decisions on listings that are to be written. The slices of next, data, diffs and entries run side by side.
type changes struct {
	next []mirror.Listing
	data []*events.JobData
	// diffs are the differences from the versions before, as job_history keeps them.
	diffs   []string
	entries []entry
	// translated are listings that stay as they are but for the name of the translation.
	translated []mirror.Listing
}

func decide(current map[string]mirror.Listing, wants []mirror.Desired, origin events.Origin) (*changes, error) {
	var c changes
	for _, want := range wants {
		var before *mirror.Listing
		if l, ok := current[want.Posting]; ok {
			before = &l
		}
		// The event says the times as precisely as the listing keeps it, so that one made from the listing says the same.
		want.ChangedAt = want.ChangedAt.Truncate(time.Microsecond)
		want.ObservedAt = want.ObservedAt.Truncate(time.Microsecond)
		want.VerifiedAt = want.VerifiedAt.Truncate(time.Microsecond)
		next, typ, data, err := mirror.Decide(before, want, origin)
		if err != nil {
			return nil, fmt.Errorf("posting %s: %w", want.Posting, err)
		}
		if data == nil {
			if before != nil && next.Translator != before.Translator {
				c.translated = append(c.translated, next)
			}
			continue
		}
		e, err := newEntry(want.Posting, next.Version, typ, data)
		if err != nil {
			return nil, fmt.Errorf("posting %s: %w", want.Posting, err)
		}
		diff, err := diffOf(before, next, typ, data)
		if err != nil {
			return nil, fmt.Errorf("posting %s: %w", want.Posting, err)
		}
		next.Posting = want.Posting
		c.diffs = append(c.diffs, diff)
		c.next = append(c.next, next)
		c.data = append(c.data, data)
		c.entries = append(c.entries, e)
	}
	return &c, nil
}

// made lists the events that the changes make.
func (c *changes) made() []mirror.Made {
	made := make([]mirror.Made, 0, len(c.entries))
	for i, e := range c.entries {
		m := mirror.Made{Posting: e.posting, Type: e.typ}
		if c.data[i].Reason != nil {
			m.Reason = *c.data[i].Reason
		}
		made = append(made, m)
	}
	return made
}

// write writes listings first, since that is what takes the place of a lock for postings that had no row, then their
// history, the events and their outbox rows.
func (c *changes) write(ctx context.Context, tx *sqlx.Tx, connection string) error {
	if err := noteTranslator(ctx, tx, connection, c.translated); err != nil {
		return err
	}
	if len(c.next) == 0 {
		return nil
	}
	// Read after the locks were taken, so that a job's later version has a later time.
	at, err := now(ctx, tx)
	if err != nil {
		return err
	}
	if err := c.writeListings(ctx, tx, connection, at); err != nil {
		return err
	}
	if err := c.writeHistory(ctx, tx, connection, at); err != nil {
		return err
	}
	return appendEntries(ctx, tx, connection, at, c.entries)
}

// writeListings writes a row only over the version before it, or where there is none.
func (c *changes) writeListings(ctx context.Context, tx *sqlx.Tx, connection string, at time.Time) error {
	var (
		postings, states, jobs, translators, ids []string
		versions                                 []int
		hashes                                   [][]byte
		reasons                                  []events.Reason
		changed, observed, verified              []*time.Time
		proofs                                   []events.Proof
	)
	for i, l := range c.next {
		postings = append(postings, l.Posting)
		states = append(states, l.State)
		versions = append(versions, int(l.Version))
		jobs = append(jobs, string(l.Job))
		hashes = append(hashes, l.Hash)
		translators = append(translators, l.Translator)
		reasons = append(reasons, l.Reason)
		changed = append(changed, &c.data[i].ChangedAt)
		observed = append(observed, &c.data[i].ObservedAt)
		verified = append(verified, &c.data[i].VerifiedAt)
		proofs = append(proofs, c.data[i].VerifiedBy)
		ids = append(ids, c.entries[i].id)
	}
	return mustAffect(len(c.next))(tx.ExecContext(ctx, `
		INSERT INTO listings AS l (connection_id, posting_id, state, version, job, hash, translator, reason, changed_at,
			observed_at, verified_at, verified_by, event_id, event_created_at, updated_at)
		SELECT $1, n.posting, n.state, n.version, CAST(n.job AS json), n.hash, n.translator, n.reason, n.changed_at,
			n.observed_at, n.verified_at, n.verified_by, CAST(n.event_id AS uuid), $2, $2
		FROM unnest(CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS bigint[]), CAST($6 AS text[]),
			CAST($7 AS bytea[]), CAST($8 AS text[]), CAST($9 AS text[]), CAST($10 AS timestamptz[]),
			CAST($11 AS timestamptz[]), CAST($12 AS timestamptz[]), CAST($13 AS text[]), CAST($14 AS text[]))
			AS n (posting, state, version, job, hash, translator, reason, changed_at, observed_at, verified_at, verified_by,
				event_id)
		ORDER BY n.posting
		ON CONFLICT (connection_id, posting_id) DO UPDATE
		SET state = EXCLUDED.state, version = EXCLUDED.version, job = EXCLUDED.job, hash = EXCLUDED.hash,
			translator = EXCLUDED.translator, reason = EXCLUDED.reason, changed_at = EXCLUDED.changed_at,
			observed_at = EXCLUDED.observed_at, verified_at = EXCLUDED.verified_at,
			verified_by = EXCLUDED.verified_by, event_id = EXCLUDED.event_id,
			event_created_at = EXCLUDED.event_created_at, updated_at = EXCLUDED.updated_at
		WHERE l.version = EXCLUDED.version - 1`,
		connection, at, textArray(postings), textArray(states), intArray(versions), textArray(jobs),
		bytesArray(hashes), textArray(translators), textArray(reasons), timeArray(changed), timeArray(observed),
		timeArray(verified), textArray(proofs), textArray(ids)))
}

// noteTranslator keeps a listing from being translated again and again by a newer translation that changes nothing.
func noteTranslator(ctx context.Context, tx *sqlx.Tx, connection string, listings []mirror.Listing) error {
	if len(listings) == 0 {
		return nil
	}
	var postings, translators []string
	for _, l := range listings {
		postings = append(postings, l.Posting)
		translators = append(translators, l.Translator)
	}
	return mustAffect(len(listings))(tx.ExecContext(ctx, `
		UPDATE listings l
		SET translator = n.translator
		FROM unnest(CAST($2 AS text[]), CAST($3 AS text[])) AS n (posting, translator)
		WHERE l.connection_id = $1 AND l.posting_id = n.posting`,
		connection, textArray(postings), textArray(translators)))
}
