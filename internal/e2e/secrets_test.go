package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
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
	org.Retitle(first(t, org).ID, "Signed with the right secret")
	s.must(http.StatusOK, http.MethodPatch, "/v1/connections/"+e.id, map[string]any{"api_key": secondKey})
	var rotated connectionDoc
	s.must(http.StatusOK, http.MethodPatch, "/v1/connections/"+e.id, map[string]any{"rotate_webhook_secret": true}).decode(t, &rotated)
	org.RevokeKey(secondKey)
	s.pollTries(e)

	haystacks := s.everythingWritten(t)
	canaries := []string{firstKey, secondKey, "canary-key-wrong-000000000000", e.secret, rotated.WebhookSetup.Secret, adminToken}
	for _, c := range canaries {
		if len(c) < 16 {
			t.Fatalf("canary %q is too short to be searched", c)
		}
		for form, needle := range forms(c) {
			for where, hay := range haystacks {
				if bytes.Contains(hay, []byte(needle)) {
					t.Errorf("a secret was found (%s) in %s", form, where)
				}
			}
		}
	}
	if !bytes.Contains(haystacks["the database dump"], []byte("Signed with the right secret")) {
		t.Error("the dump does not even have the job titles: the search proves nothing")
	}
	for _, personal := range []string{"hiringTeam", "@canary.example", `"author"`} {
		if bytes.Contains(haystacks["the database dump"], []byte(personal)) {
			t.Errorf("%q was found in the database dump", personal)
		}
	}
}

// forms are the shapes in which a secret may be written.
func forms(secret string) map[string]string {
	return map[string]string{
		"plain":  secret,
		"base64": base64.StdEncoding.EncodeToString([]byte(secret))[:len(secret)/3*4],
		"basic":  base64.StdEncoding.EncodeToString([]byte(secret + ":")),
		"hex":    hex.EncodeToString([]byte(secret)),
		"url":    url.QueryEscape(secret),
	}
}

// everythingWritten collects logs, a dump of the database, the metrics, the stream's store on disk, and what the API
// shows.
func (s *system) everythingWritten(t *testing.T) map[string][]byte {
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
	for _, path := range []string{"/v1/connections", "/v1/jobs"} {
		out["GET "+path] = s.must(http.StatusOK, http.MethodGet, path, nil).Body
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
		out["NATS's "+path] = raw
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
