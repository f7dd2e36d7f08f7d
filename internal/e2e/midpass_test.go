package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

// passState is where the reading of the candidates stands.
type passState struct {
	pages, records int64
	token, readAll bool
}

func candidatePass(ctx context.Context, db *sql.DB, connection string) (p passState, err error) {
	err = db.QueryRowContext(ctx, `SELECT
			coalesce((SELECT pages FROM passes WHERE connection_id = $1 AND kind = 'candidate'), 0),
			coalesce((SELECT read_all FROM passes WHERE connection_id = $1 AND kind = 'candidate'), FALSE),
			(SELECT count(*) FROM records WHERE connection_id = $1 AND kind = 'candidate'),
			EXISTS (SELECT 1 FROM sync_tokens WHERE connection_id = $1 AND kind = 'candidate')`, connection).
		Scan(&p.pages, &p.readAll, &p.records, &p.token)
	return p, err
}

// TestSyncerDiesAmidAPass kills the syncer in the middle of a listing of more than a hundred pages. The next one goes on
// where it was: nothing is lost, nothing is doubled, and there is no token before the last page.
func TestSyncerDiesAmidAPass(t *testing.T) {
	t.Parallel()
	const candidates, pages = 10_050, 101
	p := startProcesses(t, ashbytest.Options{Seed: 5, RetryScale: 0.02, RequestsPerMinute: 1 << 20, Latency: 5 * time.Millisecond},
		"gateway", "syncer", "notifier")
	org := p.sim.AddOrganization("large", "Large Ltd")
	org.Generate(5)
	org.GenerateCandidates(candidates)
	var doc connectionDoc
	p.must(http.StatusCreated, http.MethodPost, "/v1/connections", map[string]any{
		"employer_ref": "large", "employer_name": "Large Ltd", "modules": []string{"candidates"},
		"api_key": org.AddKey(ashbytest.KeyOptions{Confidential: true, Scopes: allScopes()}),
	}).decode(t, &doc)
	db := openSQL(t, p.dbURL)
	reads := func(least int64) (last passState) {
		t.Helper()
		wait(t, fmt.Sprintf("%d pages are read", least), func() (err error) {
			last, err = candidatePass(t.Context(), db, doc.ID)
			if err == nil && last.token && last.records < candidates {
				t.Fatalf("a token after %d pages and %d records", last.pages, last.records)
			}
			if err == nil && last.pages < least && !last.token {
				err = fmt.Errorf("%d pages", last.pages)
			}
			return err
		}, p.logs.tail)
		return last
	}
	for _, page := range []int64{20, 60} {
		reads(page)
		p.kill("syncer")
		dead := reads(page)
		if dead.token || dead.readAll || dead.records != dead.pages*100 {
			t.Errorf("killed after %d pages: %+v", page, dead)
		}
		p.start("syncer")
		p.waitReady("syncer")
		p.must(http.StatusAccepted, http.MethodPost, "/v1/connections/"+doc.ID+"/sync", nil) // the dead one's claim is minutes
	}
	reads(pages)
	wait(t, "the pass ends with a token", func() error {
		last, err := candidatePass(t.Context(), db, doc.ID)
		if err == nil && !last.token {
			err = errors.New("not yet")
		}
		return err
	}, p.logs.tail)
	asked := 0
	for _, r := range p.sim.Requests() {
		if r.Method == "candidate.list" {
			asked++
		}
	}
	if asked < pages || asked > pages+2*2 {
		t.Errorf("%d pages were asked for, of %d", asked, pages)
	}
	p.compareCandidates(db, doc.ID, org)
	t.Logf("%d pages were asked for, of %d", asked, pages)
}

// compareCandidates requires that each candidate was written once, and that there are no others.
func (p *processes) compareCandidates(db *sql.DB, connection string, org *ashbytest.Organization) {
	t := p.t
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT id, version, sealed IS NOT NULL AND sealed <> '' FROM records
		WHERE connection_id = $1 AND kind = 'candidate'`, connection)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	here := map[string]bool{}
	var faults []string
	for rows.Next() {
		var id string
		var version int64
		var sealed bool
		if err := rows.Scan(&id, &version, &sealed); err != nil {
			t.Fatal(err)
		}
		if here[id] = true; version != 1 || !sealed {
			faults = append(faults, fmt.Sprintf("%s has version %d, sealed %t", id, version, sealed))
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	there := org.RecordIDs("candidate")
	for _, id := range there {
		if !here[id] {
			faults = append(faults, id+" is lost")
		}
	}
	if len(here) != len(there) {
		faults = append(faults, fmt.Sprintf("%d candidates of %d", len(here), len(there)))
	}
	if err := verdict(faults); err != nil {
		t.Error(err)
	}
}
