package e2e

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/local"
)

// TestSecretsAreNowhere is the second half of P6: after a life with failures, rotations and a removal, neither the API
// keys nor the webhook secrets nor the admin token nor employees' personal data are found in anything that we wrote.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	s := start(t)
	org := s.sim.AddOrganization("canary", "Canary Ltd")
	org.Generate(6)
	const title = "Signed with the right secret"
	const firstKey, secondKey = "canary-key-alpha-1f0e9d8c7b6a5948", "canary-key-omega-a1b2c3d4e5f60718"
	org.AddKey(ashbytest.KeyOptions{Key: firstKey})
	org.AddKey(ashbytest.KeyOptions{Key: secondKey})
	e := s.register(org, firstKey, "canary")
	for action, address := range e.doc.WebhookSetup.URLs {
		if err := org.AddWebhook(action, address, e.secret); err != nil {
			t.Fatal(err)
		}
	}
	s.synced(e)
	// Failures are where secrets leak: Ashby echoing the key, refusals, wrong signatures, duplicate registrations.
	s.sim.Inject(ashbytest.Fault{Kind: ashbytest.FaultErrorEnvelopeA, Code: "echo " + firstKey, Count: 8})
	s.pollTries(e)
	s.sim.ClearFaults()
	s.must(http.StatusConflict, http.MethodPost, "/v1/connections",
		map[string]any{"employer_ref": "other", "employer_name": "Other", "api_key": firstKey})
	s.must(http.StatusUnprocessableEntity, http.MethodPost, "/v1/connections/check", map[string]any{"api_key": "canary-key-wrong-000000000000"})
	org.SetWebhookSecret("canary-wrong-secret")
	org.Retitle(first(t, org).ID, "Signed with a wrong secret")
	org.SetWebhookSecret(e.secret)
	org.Retitle(first(t, org).ID, title)
	s.eventually("the webhook is followed before the key is replaced", func() error {
		if jobs := s.must(http.StatusOK, http.MethodGet, "/v1/jobs", nil); !bytes.Contains(jobs.Body, []byte(title)) {
			return errors.New("the title is not there")
		}
		return nil
	})
	s.must(http.StatusOK, http.MethodPatch, "/v1/connections/"+e.id, map[string]any{"api_key": secondKey})
	var rotated connectionDoc
	s.must(http.StatusOK, http.MethodPatch, "/v1/connections/"+e.id, map[string]any{"rotate_webhook_secret": true}).decode(t, &rotated)
	org.RevokeKey(secondKey)
	s.pollTries(e)
	board := newHookBoard(t)
	endpoint := s.endpoint(board.URL, map[string]any{"snapshot": true})
	var turned endpointDoc
	s.must(http.StatusOK, http.MethodPost, "/v1/endpoints/"+endpoint.ID+"/rotate", nil).decode(t, &turned)
	s.eventually("a webhook has come", func() error { return atLeast(len(board.got()), 1) })

	var token struct{ ID, Token string }
	s.must(http.StatusCreated, http.MethodPost, "/v1/tokens", map[string]any{"name": "canary", "role": "operator"}).decode(t, &token)
	operator := *s.api
	operator.token = token.Token
	operator.must(http.StatusAccepted, http.MethodPost, "/v1/connections/"+e.id+"/sync", nil)
	operator.must(http.StatusForbidden, http.MethodDelete, "/v1/tokens/"+token.ID, nil)
	s.must(http.StatusOK, http.MethodDelete, "/v1/tokens/"+token.ID, nil)
	operator.must(http.StatusUnauthorized, http.MethodGet, "/v1/whoami", nil)

	// The simulator does send what must be found nowhere.
	jobs := ask(t, s.ashby.URL+"/job.list", org.AddKey(ashbytest.KeyOptions{}))
	for _, marker := range []string{ashbytest.PersonalMarker, ashbytest.InternalMarker} {
		if !bytes.Contains(jobs, []byte(marker)) {
			t.Fatalf("job.list has no %s: the search proves nothing", marker)
		}
	}
	haystacks := s.everythingWritten(t, e.id)
	if err := verdict(blindSpots(haystacks, map[string]string{
		"the logs": e.id, "the database dump": title, "the metrics": "ashbridge_", "GET /v1/connections": e.id,
		"GET /v1/connections/{id}": e.id, "GET /v1/jobs": title, "the stream": title, "NATS's store": title,
		"events and listings": title, "GET /v1/audit": "connection.rotate_key", "GET /v1/tokens?revoked=true": token.ID,
	})); err != nil {
		t.Errorf("the search proves nothing: %v", err)
	}
	faults := leaks(haystacks, map[string]string{
		"the first key": firstKey, "the second key": secondKey, "the wrong key": "canary-key-wrong-000000000000",
		"the first webhook secret": e.secret, "the second webhook secret": rotated.WebhookSetup.Secret, "the admin token": adminToken, "a token": token.Token,
		"the first signing secret": endpoint.Secret, "the second signing secret": turned.Secret,
		"a person": ashbytest.PersonalMarker,
	})
	// Custom fields may lie in the mirror, since a board's questions may need them one day; they never leave it.
	delete(haystacks, "the database dump")
	faults = append(faults, leaks(haystacks, map[string]string{"a custom field": ashbytest.InternalMarker})...)
	for _, fault := range faults {
		t.Error(fault)
	}
}

// leaks searches every haystack for every needle, in all forms in which it may have been written.
func leaks(haystacks map[string][]byte, needles map[string]string) []string {
	var faults []string
	for what, needle := range needles {
		if len(needle) < 14 {
			faults = append(faults, what+" is too short to be searched for")
			continue
		}
		for form, text := range forms(needle) {
			for where, hay := range haystacks {
				if bytes.Contains(hay, []byte(text)) {
					faults = append(faults, fmt.Sprintf("%s was found (%s) in %s", what, form, where))
				}
			}
		}
	}
	return faults
}

// blindSpots names the haystacks in which not even what must be there is found, and those that nobody vouches for.
func blindSpots(haystacks map[string][]byte, known map[string]string) []string {
	var faults []string
	for where, needle := range known {
		if !bytes.Contains(haystacks[where], []byte(needle)) {
			faults = append(faults, fmt.Sprintf("%s (%d bytes) does not have %q", where, len(haystacks[where]), needle))
		}
	}
	for where := range haystacks {
		if _, ok := known[where]; !ok {
			faults = append(faults, where+" has nothing that is known to be there")
		}
	}
	return faults
}

// forms are the shapes in which a secret may be written. In base64 it looks different at each of three offsets; its
// first and last characters there depend on what stands around it, and are left out.
func forms(secret string) map[string]string {
	out := map[string]string{
		"plain": secret,
		"hex":   hex.EncodeToString([]byte(secret)),
		"HEX":   strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"url":   url.QueryEscape(secret),
	}
	for offset := range 3 {
		padded := append(make([]byte, offset), secret...)
		padded = padded[:len(padded)/3*3]
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			out[fmt.Sprintf("%s at %d", name, offset)] = encoding.EncodeToString(padded)[(offset*8+5)/6:]
		}
	}
	return out
}

// ask asks the simulator as a client with the key would.
func ask(t *testing.T, address, key string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(key, "")
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// everythingWritten collects logs, a dump of the database, the metrics, the stream's store on disk, and what the API
// shows. What a board may get of the database stands apart.
func (s *system) everythingWritten(t testing.TB, connection string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{"the logs": s.logs.bytes()}
	installation, err := local.FindPostgres("")
	if err != nil {
		t.Fatal(err)
	}
	dump, err := exec.CommandContext(t.Context(), filepath.Join(installation.BinDir, "pg_dump"), "--inserts", s.dbURL).Output()
	if err != nil {
		t.Fatalf("dumping the database: %v", err)
	}
	out["the database dump"] = dump
	metrics := httptest.NewRecorder()
	promhttp.HandlerFor(s.reg, promhttp.HandlerOpts{}).ServeHTTP(metrics, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	out["the metrics"] = metrics.Body.Bytes()
	for name, path := range map[string]string{
		"/v1/connections": "/v1/connections", "/v1/jobs": "/v1/jobs", "/v1/connections/{id}": "/v1/connections/" + connection,
		"/v1/audit": "/v1/audit", "/v1/tokens?revoked=true": "/v1/tokens?revoked=true",
	} {
		out["GET "+name] = s.must(http.StatusOK, http.MethodGet, path, nil).Body
	}
	out["events and listings"] = everyRow(t, s.sql, "events", "listings")
	ms, err := readStream(t.Context(), s.nats.URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		out["the stream"] = fmt.Appendf(out["the stream"], "%s\n%v\n%s\n", m.Subject, m.Header, m.Raw)
	}
	err = fs.WalkDir(os.DirFS(s.nats.Dir()), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(filepath.Join(s.nats.Dir(), path))
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		raw, err := io.ReadAll(f)
		out["NATS's store"] = append(out["NATS's store"], raw...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// everyRow is all that the tables hold, as text.
func everyRow(t testing.TB, db *sql.DB, tables ...string) []byte {
	t.Helper()
	var out []byte
	for _, table := range tables {
		var all string
		if err := db.QueryRowContext(t.Context(), `SELECT coalesce(string_agg(x::text, E'\n'), '') FROM `+table+` AS x`).Scan(&all); err != nil {
			t.Fatal(err)
		}
		out = append(out, all...)
	}
	return out
}
