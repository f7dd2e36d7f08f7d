package gateway

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// exposition is what /metrics would show.
func exposition(t *testing.T, b *bundle) string {
	t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&out, f); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func TestAPINeedsTheToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, header := range []string{
		"", "Bearer", "Bearer ", "Bearer wrong", "Basic " + adminToken, adminToken,
		"Bearer " + adminToken + " ", "Bearer " + adminToken + "x",
	} {
		for _, r := range b.routes() {
			if !r.access.needsToken() {
				continue
			}
			b.clock.add(failureWindow / 2)
			a := b.call(request{
				method: r.method, path: strings.NewReplacer(":id", "x", ":kind", "job").Replace(r.path), anonymous: true,
				header: map[string]string{"Authorization": header},
			})
			if header == "Bearer "+adminToken+" " && a.status != http.StatusUnauthorized {
				continue // the client trims the header's value
			}
			a.problem(t, 401, "unauthorized")
			if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Error("no WWW-Authenticate")
			}
		}
	}
	for _, scheme := range []string{"Bearer", "bearer", "BEARER"} {
		a := b.call(request{method: "GET", path: "/v1/jobs", header: map[string]string{
			"Authorization": scheme + " " + adminToken,
		}})
		if a.status != http.StatusOK {
			t.Errorf("%s: %d %s", scheme, a.status, a.body)
		}
	}
}

func TestSeriesAreThereBeforeTheirFirstRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, want := range []string{
		`ashbridge_gateway_requests_total{route="POST /v1/connections",status="5xx"} 0`,
		`ashbridge_gateway_requests_total{route="GET /v1/jobs",status="2xx"} 0`,
		`ashbridge_gateway_requests_total{route="unmatched",status="4xx"} 0`,
	} {
		if !strings.Contains(exposition(t, b), want) {
			t.Errorf("%s is not shown", want)
		}
	}
}

func TestWhatIsNotThereIsAProblemToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range []string{"/v2", "/v1", "/hooks", "/hooks/ashby", "/hooks/ashby/a/b/c", "/metrics", "/%00"} {
		b.call(request{method: "POST", path: path}).problem(t, 404, "no-such-path")
	}
	a := b.call(request{method: "PUT", path: "/v1/jobs"})
	a.problem(t, 405, "method-not-allowed")
	if !strings.Contains(a.header.Get("Allow"), "GET") {
		t.Errorf("Allow %q", a.header.Get("Allow"))
	}
	b.call(request{method: "GET", path: "/v1/jobs", header: map[string]string{"X-Long": strings.Repeat("x", maxHeader)}}).
		problem(t, 431, "header-too-large")
}

func TestOpenDoors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.call(request{method: "GET", path: "/", anonymous: true})
	if a.status != http.StatusOK || !strings.Contains(string(a.body), "/openapi.yaml") {
		t.Errorf("%d %s", a.status, a.body)
	}
	a = b.call(request{method: "GET", path: "/openapi.yaml", anonymous: true})
	if a.status != http.StatusOK || !strings.HasPrefix(string(a.body), "openapi: 3.1") ||
		a.header.Get("Content-Type") != "application/yaml" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Jobs = panickingJobs{} })
	b.call(request{method: "GET", path: "/v1/jobs"}).problem(t, 500, "internal")
	if a := b.call(request{method: "GET", path: "/"}); a.status != http.StatusOK {
		t.Error("the server did not survive")
	}
	if logs := b.logs.String(); !strings.Contains(logs, "panic: ouch") || !strings.Contains(logs, "jobs.go") {
		t.Error("the panic's place is not in the log")
	}
}

// panickingJobs panics on every call.
type panickingJobs struct{}

func (panickingJobs) Jobs(context.Context, mirror.JobQuery) ([]mirror.JobState, error) { panic("ouch") }

func (panickingJobs) Job(context.Context, string, string) ([]mirror.JobState, error) { panic("ouch") }

func TestStoreFaultsBecomeProblemsWithoutTheirText(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.store.setDown(errBoom)
	a := b.call(request{method: "GET", path: "/v1/jobs"})
	a.problem(t, 500, "internal")
	if strings.Contains(string(a.body), "boom") {
		t.Errorf("the cause is in the reply: %s", a.body)
	}
	if !strings.Contains(b.logs.String(), "listing jobs: boom") {
		t.Error("the cause is not in the log")
	}
}

// counter says whether the exposition has the line.
func counter(t *testing.T, b *bundle, line string) bool {
	t.Helper()
	return strings.Contains(exposition(t, b), line+"\n")
}
