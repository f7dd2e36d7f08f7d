package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

// inject switches a fault on for one employer, by its name.
func (s *system) inject(e employer, text string) {
	s.t.Helper()
	f, err := ashbytest.ParseFault(text)
	if err != nil {
		s.t.Fatal(err)
	}
	f.Org = e.org.Slug()
	s.sim.Inject(f)
}

// opted connects a staffed organisation with all modules and a key that may do everything, its settings made by API.
func (s *system) opted(org *ashbytest.Organization) employer {
	s.t.Helper()
	key := org.AddKey(ashbytest.KeyOptions{Confidential: true, Scopes: allScopes("apiKeys:write")})
	e := s.register(org, key, org.Slug(), optIn()...)
	s.must(http.StatusOK, http.MethodPost, "/v1/connections/"+e.id+"/webhooks", nil)
	s.synced(e)
	return e
}

// TestDisconnectingForgets disconnects two employers, one of them in the middle of reading its candidates. What is about
// people, and how far the reading was, is gone from the tables and from the stream; so are the settings at Ashby.
func TestDisconnectingForgets(t *testing.T) {
	t.Parallel()
	s := start(t, everything)
	db := s.sql
	amid := s.staffed("amid", 5, 150)
	// Its candidates never get past the first page.
	s.inject(employer{org: amid}, "server-error@2:candidate.list")
	s.inject(employer{org: amid}, "bad-row:job.list")
	s.inject(employer{org: amid}, "bad-row:job.info")
	choices := map[string]employer{"close": s.opted(amid), "keep": s.opted(s.staffed("whole", 5, 2))}
	s.rested(choices["keep"])
	s.eventually("a pass is under way", func() error {
		for _, table := range []string{"passes", "pass_pages", "quarantine"} {
			if n, err := number(t.Context(), db, `SELECT count(*) FROM `+table+` WHERE connection_id = $1`, choices["close"].id); err != nil || n == 0 {
				return fmt.Errorf("%d rows in %s: %w", n, table, errors.Join(err, errors.New("not yet")))
			}
		}
		return nil
	})
	for choice, e := range choices {
		t.Run(choice, func(*testing.T) { s.disconnect(e, choice) })
	}
	told := s.told()
	for subject := range told {
		t.Errorf("%s is left on the stream", subject)
	}
}

func (s *system) disconnect(e employer, choice string) {
	t := s.t
	t.Helper()
	db := s.sql
	sealed := `SELECT count(*) FROM records WHERE connection_id = $1 AND sealed IS NOT NULL`
	if n, err := number(t.Context(), db, sealed, e.id); err != nil || n == 0 {
		t.Errorf("%s: %d sealed records before: %v", choice, n, err)
	}
	if n := len(e.org.Webhooks()); n == 0 {
		t.Errorf("%s: no settings before", choice)
	}
	s.must(http.StatusOK, http.MethodDelete, "/v1/connections/"+e.id+"?jobs="+choice, nil)
	queries := map[string]string{"sealed records": sealed}
	for _, table := range []string{
		"secrets", "sync_tokens", "passes", "pass_pages", "sweeps", "stale_parents", "quarantine", "module_state", "record_outbox",
	} {
		queries[table] = `SELECT count(*) FROM ` + table + ` WHERE connection_id = $1`
	}
	for what, query := range queries {
		if n, err := number(t.Context(), db, query, e.id); err != nil || n != 0 {
			t.Errorf("%s: %d %s are left: %v", choice, n, what, err)
		}
	}
	if left := e.org.Webhooks(); len(left) > 0 {
		t.Errorf("%s: Ashby still has %d settings", choice, len(left))
	}
	for id, j := range s.jobs(e.id) {
		if want := map[string]string{"keep": "open", "close": "closed"}[choice]; j.State != want {
			t.Errorf("%s: %s is %s", choice, id, j.State)
		}
	}
	hook, err := url.Parse(e.doc.WebhookSetup.URLs["jobUpdate"])
	if err != nil {
		t.Fatal(err)
	}
	s.must(http.StatusGone, http.MethodPost, hook.Path, map[string]any{"action": "jobUpdate"})
	s.must(http.StatusGone, http.MethodGet, "/v1/records/candidate?connection="+e.id, nil)
	if body := s.must(http.StatusOK, http.MethodGet, "/v1/connections/"+e.id, nil).Body; !strings.Contains(string(body), `"removed"`) {
		t.Errorf("%s: %s", choice, body)
	}
}
