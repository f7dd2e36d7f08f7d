package ashbytest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkListOf10000 shows what the simulator itself costs in a poll of 10,000 postings.
func BenchmarkListOf10000(b *testing.B) {
	sim := New(Options{RequestsPerMinute: 1 << 30})
	defer sim.Close()
	org := sim.AddOrganization("acme", "Acme")
	org.Generate(10_000)
	key := org.AddKey(KeyOptions{})
	for b.Loop() {
		req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/jobPosting.list", strings.NewReader("{}"))
		req.SetBasicAuth(key, "")
		req.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		sim.ServeHTTP(rec, req)
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Body.String())
		}
	}
}
