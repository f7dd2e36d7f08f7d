package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// fleet is many connections that are as if each had been synchronised: copies of a few that were, under keys of their
// own. A copy's key is of the same organisation as its original's, which spares the simulator the contents of thousands;
// the services cannot tell, since nothing of one connection is used for another.
type fleet struct {
	db   *sql.DB
	keys *seal.Keyset
}

// original is a connection that was really synchronised.
type original struct {
	org *ashbytest.Organization
	id  string
}

// connectWhole registers an organisation and waits until everything of it has been read, what is not polled too.
func (p *processes) connectWhole(t testing.TB, db *sql.DB, org *ashbytest.Organization, scopes ...string) connectionDoc {
	t.Helper()
	var doc connectionDoc
	p.must(http.StatusCreated, http.MethodPost, "/v1/connections", map[string]any{
		"employer_ref": org.Slug(), "employer_name": org.Name(), "api_key": org.AddKey(ashbytest.KeyOptions{Scopes: scopes}),
	}).decode(t, &doc)
	wait(t, "everything has been read once", func() error {
		n, err := number(t.Context(), db, `SELECT count(*) FROM runs WHERE connection_id = $1 AND task = 'records'`, doc.ID)
		if err != nil {
			return err
		}
		return atLeast(int(n), 1)
	}, p.logs.tail)
	return doc
}

// addCopies adds n copies of the originals, in turn. Nothing may be at work on these.
func addCopies(t testing.TB, p *processes, db *sql.DB, originals []original, n int) {
	t.Helper()
	keys, err := seal.Load(p.keyset)
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{db: db, keys: keys}
	for i, o := range originals {
		ids := make([]string, (n+len(originals)-1-i)/len(originals))
		for k := range ids {
			ids[k] = uuid.NewString()
		}
		if err := f.insert(t.Context(), o, ids); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, db, `ANALYZE`)
}

// insert stores copies in one transaction.
func (f *fleet) insert(ctx context.Context, o original, ids []string) (err error) {
	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	if err := f.connections(ctx, tx, o, ids); err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	for _, copied := range []string{
		// Due at the moment of its own that each has, in the course of the coming hour; read again are the postings
		// whose minute of the day lies in the hour before.
		`INSERT INTO sync_state (connection_id, next_poll_at, next_records_at, reread_until, first_synced_at, last_verified_at,
			poll_started_at, poll_finished_at, postings_at_ashby)
		SELECT id, at, clock_timestamp() + random() * interval '1 hour', at - interval '1 hour', first_synced_at,
			at - interval '1 hour', at - interval '1 hour', at - interval '1 hour', postings_at_ashby
		FROM unnest($2::text[]) AS id, LATERAL (SELECT clock_timestamp() + random() * interval '1 hour' AS at WHERE id <> '') t, sync_state s
		WHERE s.connection_id = $1`,
		`INSERT INTO sync_tokens (connection_id, kind, variant, params_hash, token)
		SELECT id, kind, variant, params_hash, token FROM unnest($2::text[]) AS id, sync_tokens WHERE connection_id = $1`,
		// The daily full readings are due with one slice of 24.
		`INSERT INTO sweeps (connection_id, kind, variant, finished_at, absent)
		SELECT c.connection_id, kind, variant, next_records_at - c.ago, absent
		FROM (SELECT connection_id, next_records_at, random() * interval '24 hours' AS ago FROM sync_state
			WHERE connection_id = ANY($2)) c, sweeps w
		WHERE w.connection_id = $1`,
		`INSERT INTO records (connection_id, kind, id, doc, hash, list_hash, ashby_updated_at, fetched_at, parent_id, variant)
		SELECT c, kind, id, doc, hash, list_hash, ashby_updated_at, fetched_at, parent_id, variant
		FROM unnest($2::text[]) AS c, records WHERE connection_id = $1`,
	} {
		if _, err := tx.ExecContext(ctx, copied, o.id, pq.Array(ids)); err != nil {
			return fmt.Errorf("%s: %w", strings.Fields(copied)[2], err)
		}
	}
	if err := f.listings(ctx, tx, o, ids); err != nil {
		return fmt.Errorf("listings: %w", err)
	}
	return tx.Commit()
}

// employerRef is a copy's reference.
func employerRef(id string) string { return "copy-" + id }

// connections stores the connections with a key of each.
func (f *fleet) connections(ctx context.Context, tx *sql.Tx, o original, ids []string) error {
	parts, refs, names := make([]int64, len(ids)), make([]string, len(ids)), make([]string, len(ids))
	sealed, prints := make([][]byte, len(ids)), make([][]byte, len(ids))
	for i, id := range ids {
		key := ashby.Secret(o.org.AddKey(ashbytest.KeyOptions{}))
		s, err := f.keys.Seal(key, id, "api_key")
		if err != nil {
			return err
		}
		parts[i], refs[i], names[i], sealed[i], prints[i] = int64(mirror.Part(id)), employerRef(id), o.org.Name(), s, f.keys.Fingerprint(key)
	}
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO connections (id, part, employer_ref, employer_name, status, modules, poll_interval_s, key_fingerprint,
			report, webhook_token)
		SELECT n.id, n.part, n.ref, n.name, 'active', c.modules, c.poll_interval_s, n.print, c.report, n.id
		FROM unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::bytea[]) AS n (id, part, ref, name, print), connections c
		WHERE c.id = $1`, o.id, pq.Array(ids), pq.Array(parts), pq.Array(refs), pq.Array(names), pq.Array(prints)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO secrets (connection_id, kind, sealed)
		SELECT id, 'api_key', sealed FROM unnest($1::text[], $2::bytea[]) AS n (id, sealed)`, pq.Array(ids), pq.Array(sealed))
	return err
}

// listings stores the public jobs. They name their connection, so that each copy's have hashes of their own.
func (f *fleet) listings(ctx context.Context, tx *sql.Tx, o original, ids []string) (err error) {
	originals, err := listings(ctx, f.db, o.id)
	if err != nil {
		return err
	}
	into, err := tx.PrepareContext(ctx, `
		COPY listings (connection_id, posting_id, state, version, job, hash, translator, changed_at, observed_at, verified_at,
			verified_by, event_id, event_created_at, updated_at) FROM STDIN`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, into.Close()) }()
	now := time.Now()
	for _, id := range ids {
		for posting, original := range originals {
			job := original.Job
			job.Connection, job.EmployerRef = id, employerRef(id)
			doc, err := json.Marshal(job)
			if err != nil {
				return err
			}
			translator := mirror.TranslatorKey(mirror.Connection{ID: id, EmployerRef: employerRef(id), EmployerName: job.EmployerName})
			if _, err := into.ExecContext(ctx, id, posting, original.State, original.Version, string(doc), mirror.Hash(doc),
				translator, now, now, now, string(events.ProofInfo), uuid.NewString(), now, now); err != nil {
				return err
			}
		}
	}
	_, err = into.ExecContext(ctx)
	return err
}
