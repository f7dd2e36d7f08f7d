package postgres_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/local"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
)

// contents are digests of all tables.
func (b *bundle) contents() map[string]string {
	b.Helper()
	var tables []string
	b.must(b.raw.Select(&tables, `SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`))
	digests := map[string]string{}
	for _, table := range tables {
		var digest string
		b.must(b.raw.Get(&digest, `SELECT count(*) || ' ' || md5(COALESCE(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM `+table+` t`))
		digests[table] = digest
	}
	return digests
}

// TestDumpIsABackup restores what pg_dump wrote, as docs/backup.md says, and goes on with it.
func TestDumpIsABackup(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.post("acme", "p1", "One")
	b.publishAll()
	b.post("acme", "p2", "Two")

	programs, err := local.FindPostgres("")
	b.must(err)
	run := func(program string, args ...string) {
		t.Helper()
		if out, err := exec.Command(filepath.Join(programs.BinDir, program), args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", program, err, out)
		}
	}
	file := filepath.Join(t.TempDir(), "ashbridge.dump")
	run("pg_dump", "--format=custom", "--file="+file, b.url)
	url := localtest.Database(t)
	run("pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", "--dbname="+url, file)

	db := open(t, postgres.Options{URL: url})
	r := &bundle{T: t, db: db, g: db.Gateway(), s: db.Syncer(), n: db.Notifier(), raw: rawDB(t, url), url: url}
	b.must(db.CheckSchema(t.Context()))
	if diff := cmp.Diff(b.contents(), r.contents()); diff != "" {
		t.Errorf("restored:\n%s", diff)
	}
	r.held = r.renew("a")
	r.must(db.Maintain(t.Context()))
	r.post("acme", "p1", "One, changed")
	if diff := cmp.Diff([]string{"acme/p2 v1 job.published", "acme/p1 v2 job.updated"}, r.pending()); diff != "" {
		t.Errorf("what is committed after the restoration:\n%s", diff)
	}
	if key, err := r.g.SealedKey(t.Context(), "acme"); err != nil || string(key) != string(mirror.Sealed("sealed key acme")) {
		t.Errorf("sealed key %q, %v", key, err)
	}
}
