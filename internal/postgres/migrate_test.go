package postgres_test

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"
	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/schema/migrations"
)

func TestMigrationsAtTheSameTime(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	group, ctx := errgroup.WithContext(t.Context())
	for range 4 {
		db := open(t, postgres.Options{URL: url})
		group.Go(func() error { return db.Migrate(ctx) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	db := open(t, postgres.Options{URL: url})
	if err := db.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	db := open(t, postgres.Options{URL: url})
	if err := db.CheckSchema(t.Context()); !errors.Is(err, postgres.ErrSchemaBehind) {
		t.Errorf("empty database: %v", err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.CheckSchema(t.Context()); err != nil {
		t.Errorf("migrated: %v", err)
	}
	raw := rawDB(t, url)
	if _, err := raw.ExecContext(t.Context(), `
		INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`); err != nil {
		t.Fatal(err)
	}
	if err := db.CheckSchema(t.Context()); err != nil {
		t.Errorf("newer, and nothing that is needed was taken away: %v", err)
	}
	if _, err := raw.ExecContext(t.Context(), `UPDATE schema_floor SET version = 9999`); err != nil {
		t.Fatal(err)
	}
	if err := db.CheckSchema(t.Context()); !errors.Is(err, postgres.ErrSchemaAhead) {
		t.Errorf("newer, and not for this program any more: %v", err)
	}
}

// takesAway is what the program before a migration may not survive.
var takesAway = regexp.MustCompile(`(?i)\bDROP\s+(TABLE|COLUMN|VIEW|FUNCTION|TYPE)\b|\bRENAME\b|\bSET\s+NOT\s+NULL\b|\bALTER\s+COLUMN\s+\S+\s+(SET\s+DATA\s+)?TYPE\b`)

// A migration that takes something away says so, else an older program would start on tables that it cannot work with.
func TestMigrationsThatTakeAwayRaiseTheFloor(t *testing.T) {
	t.Parallel()
	const before = 7 // the last migration that came without the floor; the program that knows it runs beside this one
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		var number int64
		if _, err := fmt.Sscanf(name, "%d_", &number); err != nil {
			t.Fatal(err)
		}
		raw, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		up, _, _ := strings.Cut(string(raw), "-- +goose Down")
		takes := takesAway.FindString(withoutComments(up))
		for line := range strings.Lines(withoutComments(up)) {
			if strings.Contains(line, "ADD COLUMN") && strings.Contains(line, "NOT NULL") && !strings.Contains(line, "DEFAULT") &&
				!strings.Contains(line, "GENERATED") && takes == "" {
				takes = strings.TrimSpace(line) // the older program writes rows without it
			}
		}
		raises := strings.Contains(up, fmt.Sprintf("UPDATE schema_floor SET version = %d;", number))
		if number > before && takes != "" && !raises {
			t.Errorf("%s has %q and no \"UPDATE schema_floor SET version = %d;\": leave what the program before it uses, or say so",
				name, takes, number)
		}
	}
}

func withoutComments(sql string) string {
	var lines []string
	for line := range strings.Lines(sql) {
		line, _, _ = strings.Cut(line, "--")
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// What an installation of before had is there after the migration, and after the way back.
func TestMigrationsKeepWhatIsThere(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	raw := rawDB(t, url)
	provider, err := goose.NewProvider(goose.DialectPostgres, raw.DB, migrations.FS, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	const before = `
		INSERT INTO connections (id, part, employer_ref, employer_name, status, modules, poll_interval_s, report, webhook_token)
		VALUES ('acme', 1, 'ref', 'Acme', 'active', '{jobs}', 3600, '{}', 'token');
		INSERT INTO sync_state (connection_id, next_poll_at) VALUES ('acme', now());
		INSERT INTO sync_tokens (connection_id, kind, params_hash, token) VALUES ('acme', 'job', 'h', 't');
		INSERT INTO records (connection_id, kind, id, doc, hash, fetched_at) VALUES ('acme', 'job', 'j1', '{"a": 1}', 'h', now());
		INSERT INTO records (connection_id, kind, id, doc, hash, fetched_at) VALUES
			('acme', 'posting', 'p1', '{}', 'h', '2026-11-01 09:00:00+00'), ('acme', 'posting', 'p2', '{}', 'h', '2026-11-01 11:00:00+00');
		INSERT INTO listings (connection_id, posting_id, state, version, job, hash, translator, changed_at, observed_at, event_id,
			event_created_at, updated_at)
		SELECT 'acme', p, 'open', 1, '{}', 'h', 't', t, t, gen_random_uuid(), t, t
		FROM unnest('{p1,p2,p3}'::text[]) AS p, (VALUES ('2026-11-01 10:00:00+00'::timestamptz)) AS at (t);
		INSERT INTO holds (connection_id, posting_ids, public_count, reason, created_at)
		VALUES ('acme', '{p1,p2}', 3, 'vanished', '2026-11-01 10:00:00+00')`
	if _, err := raw.ExecContext(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	db := open(t, postgres.Options{URL: url})
	b := &bundle{T: t, db: db, g: db.Gateway(), s: db.Syncer(), raw: raw}
	keeps := func() {
		t.Helper()
		b.must(db.Migrate(t.Context()))
		hold, token := b.hold(), mirror.Token{Kind: "job", ParamsHash: []byte("h"), Token: "t"}
		opened := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
		want := &mirror.Hold{
			ID: hold.ID, State: mirror.HoldOpen, Postings: []string{"p1", "p2"}, PublicCount: 3, Reason: "vanished", CreatedAt: opened,
		}
		if diff := cmp.Diff(want, hold); diff != "" || hold.ID == "" {
			t.Errorf("hold %q %s", hold.ID, diff)
		}
		if view, err := b.g.HeldBy(t.Context(), hold.ID); err != nil || !view.OpenedAt.Equal(opened) {
			t.Errorf("hold %+v, %v", view, err)
		}
		got, err := b.s.Token(t.Context(), "acme", "job", "")
		b.must(err)
		if diff := cmp.Diff(token, got); diff != "" {
			t.Error(diff)
		}
		// What was found at ten and last read at nine is proven as of nine; what was read later, as of ten.
		if n := b.count(`
			SELECT count(*) FROM listings
			WHERE verified_by = 'mirror'
				AND verified_at = CASE posting_id WHEN 'p1' THEN '2026-11-01 09:00:00+00' ELSE '2026-11-01 10:00:00+00' END::timestamptz`,
		); n != 3 {
			t.Errorf("%d of 3 listings say honestly as of when they are proven", n)
		}
		if r := b.record("job", "j1"); r.Version != 1 || string(r.Doc) != `{"a": 1}` || r.ChangedAt.IsZero() {
			t.Errorf("record %+v", r)
		}
	}
	keeps()
	b.exec(`
		INSERT INTO records (connection_id, kind, id, sealed, hash, fetched_at) VALUES ('acme', 'candidate', 'c1', 's', 'h', now());
		INSERT INTO sync_tokens (connection_id, kind, variant, params_hash, token) VALUES ('acme', 'job', 'archived', 'h', 't');
		INSERT INTO holds (connection_id, posting_ids, public_count, reason, state) VALUES ('acme', '{}', 1, 'x', 'ended')`)
	if _, err := provider.DownTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	// What the older program does not know is gone, and it writes as it did.
	if n := b.count(`SELECT (SELECT count(*) FROM records) + (SELECT count(*) FROM sync_tokens) + (SELECT count(*) FROM holds)`); n != 5 {
		t.Errorf("%d rows after the way back, want 5", n)
	}
	b.exec(`INSERT INTO holds (connection_id, posting_ids, public_count, reason) VALUES ('acme', '{p1}', 1, 'x')
		ON CONFLICT (connection_id) DO NOTHING`)
	keeps()
	// A decision of before decisions were kept each by itself.
	hold := b.hold()
	_, err = b.g.DecideHold(t.Context(), hold.ID, decision(mirror.HoldRejected, "They did not."))
	b.must(err)
	if _, err := provider.DownTo(t.Context(), 11); err != nil {
		t.Fatal(err)
	}
	b.must(db.Migrate(t.Context()))
	view, err := b.g.HeldBy(t.Context(), hold.ID)
	b.must(err)
	if made := view.Decisions; len(made) != 1 || made[0].State != mirror.HoldRejected || made[0].Note != "They did not." || made[0].By != "" ||
		!made[0].At.Equal(*view.DecidedAt) {
		t.Errorf("decided %+v", made)
	}
}

// Which jobs have left the stream, and the latest event of a connection, are carried into the columns and the table that
// replaced a job's place in the stream, and back. The program before it writes on beside them.
func TestMigrationOfTheStreamsAudit(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	raw := rawDB(t, url)
	provider, err := goose.NewProvider(goose.DialectPostgres, raw.DB, migrations.FS, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{T: t, raw: raw}
	to := func(version int64) {
		t.Helper()
		if _, err := provider.DownTo(t.Context(), version); err != nil {
			t.Fatal(err)
		}
		if _, err := provider.UpTo(t.Context(), version); err != nil {
			t.Fatal(err)
		}
	}
	to(6)
	// Postings are called by what they are: open or closed, long ago or lately, and in the stream (1) or not (0).
	b.exec(`
		INSERT INTO connections (id, part, employer_ref, employer_name, status, modules, poll_interval_s, report, webhook_token,
			event_version)
		SELECT c, 1, c, 'Acme', 'active', '{jobs}', 3600, '{}', c, 2 FROM unnest('{acme,silent}'::text[]) AS c;
		CREATE TABLE events_all PARTITION OF events DEFAULT;
		INSERT INTO events (id, created_at, connection_id, version, type, data)
		SELECT gen_random_uuid(), now(), 'acme', v, 'connection.' || v, '{}' FROM unnest('{1,2}'::bigint[]) AS v;
		INSERT INTO events (id, created_at, connection_id, posting_id, version, type, data)
		VALUES (gen_random_uuid(), now(), 'acme', 'open-now-1', 3, 'job.updated', '{}');
		INSERT INTO stream_state (stream, created_at, last_seq) VALUES ('JOBS', now(), 7);
		INSERT INTO listings (connection_id, posting_id, state, version, job, hash, translator, changed_at, observed_at, event_id,
			event_created_at, updated_at, stream_seq)
		SELECT 'acme', state || '-' || since || '-' || seq, state, 3, '{}', 'h', 't', at, at, gen_random_uuid(), at, at, seq
		FROM unnest('{open,closed}'::text[]) AS state, unnest('{0,1}'::bigint[]) AS seq,
			(VALUES ('now', now() - interval '89 days'), ('then', now() - interval '91 days')) AS age (since, at)`)
	expect := func(when, query, want string) {
		t.Helper()
		var got string
		b.must(raw.GetContext(t.Context(), &got, query))
		if got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	const left = `SELECT string_agg(posting_id, ' ' ORDER BY posting_id) FROM listings WHERE left_version = version`
	const places = `SELECT string_agg(posting_id, ' ' ORDER BY posting_id) FROM listings WHERE stream_seq = 0`
	to(7)
	expect("left the stream", left, "closed-then-0")
	expect("did not", `SELECT CAST(count(*) AS text) FROM listings WHERE left_version = 0`, "7")
	expect("latest events", `
		SELECT string_agg(concat_ws(' ', connection_id, version, type, data), ', ') FROM connection_events`, "acme 2 connection.2 {}")
	expect("stream", `SELECT concat_ws(' ', stream, last_seq, messages) FROM stream_state`, "JOBS 7 0")

	// What the program before it goes on writing, and what this one does.
	b.exec(`UPDATE listings SET stream_seq = 9 WHERE posting_id = 'open-now-0'`)
	b.exec(`UPDATE listings SET left_version = version WHERE posting_id = 'closed-then-1'`)
	to(6)
	expect("not in the stream", places, "closed-then-0 closed-then-1")
	expect("places", `SELECT CAST(max(stream_seq) AS text) FROM listings`, "9")
	to(7)
	expect("left the stream in the end", left, "closed-then-0 closed-then-1")
}
