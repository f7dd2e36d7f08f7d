// Package smoke brings up what docker-compose.yml describes, with the demo's simulator, employer and board, and sees that a
// change at the simulator reaches boards in every way. The services are plain processes of this machine with the file's own
// commands and environment (make smoke-local), or the containers that make smoke has started.
package smoke

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// patience is for the whole of a run.
const patience = 4 * time.Minute

// The flags of make smoke.
var (
	isContainers = flag.Bool("containers", false, "look at the containers that run, instead of starting processes")
	gatewayAddr  = flag.String("gateway", "127.0.0.1:8080", "with -containers: where the gateway is published")
	natsAddr     = flag.String("nats", "127.0.0.1:4222", "with -containers: where NATS is published")
	simAddr      = flag.String("simulator", "127.0.0.1:8090", "with -containers: where the simulator is published")
	boardAddr    = flag.String("board", "127.0.0.1:8070", "with -containers: where the board is published")
	promAddr     = flag.String("prometheus", "127.0.0.1:9090", "with -containers: where Prometheus is published")
	grafanaAddr  = flag.String("grafana", "127.0.0.1:3000", "with -containers: where Grafana is published")
	secretsDir   = flag.String("secrets", "secrets", "with -containers: folder of the secrets, from the root of the repository")
)

func TestMain(m *testing.M) { localtest.Main(m) }

// target is a running system.
type target struct {
	t testing.TB
	// All are host:port; grafana is empty where there is none.
	gateway, simulator, board, prometheus, grafana, nats string
	// token is the gateway's, password that of Grafana's administrator.
	token, password string
	// replicas are how many of each service Prometheus is to find.
	replicas map[string]int
	// doctor runs the service cli with the command doctor, and returns what it printed.
	doctor func(ctx context.Context) ([]byte, error)
}

func TestSmoke(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	s := target{t: t, gateway: *gatewayAddr, simulator: *simAddr, board: *boardAddr, prometheus: *promAddr, nats: *natsAddr}
	secrets := *secretsDir
	if !filepath.IsAbs(secrets) {
		secrets = filepath.Join(root, secrets)
	}
	var m *machine
	if *isContainers {
		allContainersAreWell(ctx, t, root)
		s.grafana = *grafanaAddr
		m = &machine{places: &places{project: loadProject(ctx, t, root, secrets)}}
		s.doctor = func(ctx context.Context) ([]byte, error) {
			cmd := exec.CommandContext(ctx, "docker", "compose", "run", "--rm", "--no-deps", "cli", "doctor", "--json")
			cmd.Dir = root
			return cmd.Output()
		}
	} else {
		m = startMachine(ctx, t)
		s.doctor = m.doctor
		secrets = filepath.Join(m.dir, "secrets")
		first := func(service, port string) string { return m.at(container(service, 0), port) }
		s.gateway, s.simulator, s.board = first("gateway", "8080"), first("simulator", "8090"), first("board", "8070")
		s.prometheus, s.nats = first("prometheus", "9090"), first("nats", "4222")
	}
	for name, into := range map[string]*string{"admin-token": &s.token, "grafana-password": &s.password} {
		raw, err := os.ReadFile(filepath.Join(secrets, name))
		if err != nil {
			t.Fatal(err)
		}
		*into = strings.TrimSpace(string(raw))
	}
	s.replicas = map[string]int{"gateway": m.replicas("gateway"), "syncer": m.replicas("syncer"), "notifier": m.replicas("notifier")}
	s.run(ctx)
}

// allContainersAreWell asks the engine: each container runs and is healthy, or ended well.
func allContainersAreWell(ctx context.Context, t testing.TB, root string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, "docker", "compose", "--profile", "demo", "ps", "--all", "--format", "json")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("asking for the containers: %v", err)
	}
	lines := json.NewDecoder(bytes.NewReader(out))
	for seen := 0; ; seen++ {
		var c struct {
			Name, State, Health string
			ExitCode            int
		}
		if err := lines.Decode(&c); errors.Is(err, io.EOF) {
			if seen == 0 {
				t.Fatal("no container runs")
			}
			return
		} else if err != nil {
			t.Fatalf("reading what docker compose ps says: %v\n%s", err, out)
		}
		isWell := c.State == "running" && (c.Health == "healthy" || c.Health == "") || c.State == "exited" && c.ExitCode == 0
		if !isWell {
			t.Errorf("%s is %s %s, its exit code %d", c.Name, c.State, c.Health, c.ExitCode)
		}
	}
}

// run follows one job from the simulator to boards, and looks at the metrics.
func (s *target) run(ctx context.Context) {
	s.t.Helper()
	connection := s.connection(ctx)
	heard := s.subscribe(ctx)
	feed := s.feed(ctx)

	title := "Smoke " + rand.Text()[:8]
	var made struct{ ID string }
	s.call(ctx, http.MethodPost, s.simulator, "/_sim/edit", map[string]any{"org": "northwind", "edit": "create", "text": title}, &made)
	e := s.await(ctx, heard, connection+"/"+made.ID, events.JobPublished)
	if e.Job == nil || e.Job.Job.Title != title {
		s.t.Errorf("the event is of %+v", e.Job)
	} else if e.Job.Origin != events.OriginWebhook {
		s.t.Errorf("the job came by %s: the simulator's webhooks do not arrive", e.Job.Origin)
	}
	page := "/jobs/" + connection + "/" + made.ID
	s.awaitText(ctx, s.board, page, title)
	s.awaitText(ctx, s.gateway, feed, title)

	s.call(ctx, http.MethodPost, s.simulator, "/_sim/edit", map[string]any{"org": "northwind", "edit": "unpublish", "id": made.ID}, nil)
	s.await(ctx, heard, connection+"/"+made.ID, events.JobClosed)
	eventually(ctx, s.t, "the job's page says that it is gone", func(ctx context.Context) error {
		status, _, err := s.get(ctx, s.board, page)
		if err == nil && status != http.StatusGone {
			err = fmt.Errorf("it answers %d", status)
		}
		return err
	})
	s.scraped(ctx)
	s.examined(ctx)
	if s.grafana != "" {
		s.shown(ctx)
	}
}

// connection waits until the employer was read for the first time, and returns the connection's id.
func (s *target) connection(ctx context.Context) (id string) {
	s.t.Helper()
	eventually(ctx, s.t, "the employer's first synchronisation", func(ctx context.Context) error {
		var page struct {
			Connections []struct {
				ID          string
				EmployerRef string `json:"employer_ref"`
				Status      string
				Sync        struct {
					FirstSyncedAt *time.Time `json:"first_synced_at"`
				}
			}
		}
		if err := s.ask(ctx, http.MethodGet, s.gateway, "/v1/connections", nil, &page); err != nil {
			return err
		}
		if len(page.Connections) != 1 || page.Connections[0].EmployerRef != "northwind" || page.Connections[0].Sync.FirstSyncedAt == nil {
			return fmt.Errorf("the connections are %+v", page.Connections)
		}
		id = page.Connections[0].ID
		return nil
	})
	return id
}

// subscribe makes a board of the test's own and lets it read.
func (s *target) subscribe(ctx context.Context) <-chan jobfeed.Event {
	s.t.Helper()
	var login struct{ ID, User, Password string }
	s.call(ctx, http.MethodPost, s.gateway, "/v1/subscribers", map[string]any{"name": "smoke"}, &login)
	caughtUp := make(chan struct{})
	feed, err := jobfeed.Open(ctx, jobfeed.Options{
		URL: "nats://" + s.nats, User: login.User, Password: login.Password, OnCaughtUp: func() { close(caughtUp) },
	})
	if err != nil {
		s.t.Fatalf("opening the feed: %v", err)
	}
	heard, ended := make(chan jobfeed.Event, 1024), make(chan error, 1)
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		ended <- feed.Subscribe(reading, func(_ context.Context, e jobfeed.Event) error {
			heard <- e
			return nil
		})
	}()
	s.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			s.t.Errorf("reading the feed: %v", err)
		}
		if err := feed.Close(); err != nil {
			s.t.Errorf("closing the feed: %v", err)
		}
	})
	select {
	case <-caughtUp:
	case <-ctx.Done():
		s.t.Fatal("the subscriber does not catch up")
	}
	return heard
}

// await waits for an event of a job.
func (s *target) await(ctx context.Context, heard <-chan jobfeed.Event, key string, kind events.Type) jobfeed.Event {
	s.t.Helper()
	for {
		select {
		case e := <-heard:
			if e.Key() == key && e.Type == kind {
				return e
			}
		case <-ctx.Done():
			s.t.Fatalf("%s of %s never came", kind, key)
		}
	}
}

// feed makes a feed and returns its path.
func (s *target) feed(ctx context.Context) string {
	s.t.Helper()
	var made struct{ URLs struct{ JSON string } }
	s.call(ctx, http.MethodPost, s.gateway, "/v1/feeds", map[string]any{"name": "smoke"}, &made)
	address, err := url.Parse(made.URLs.JSON)
	if err != nil || address.Path == "" {
		s.t.Fatalf("the feed is at %q: %v", made.URLs.JSON, err)
	}
	return address.Path // its host is the one that is known within the network
}

func (s *target) awaitText(ctx context.Context, host, path, text string) {
	s.t.Helper()
	eventually(ctx, s.t, path+" has "+text, func(ctx context.Context) error {
		status, body, err := s.get(ctx, host, path)
		if err == nil && (status != http.StatusOK || !strings.Contains(body, text)) {
			err = fmt.Errorf("it answers %d with %d bytes", status, len(body))
		}
		return err
	})
}

// scraped waits until Prometheus has read the metrics of every replica, and has read its rules without a fault.
func (s *target) scraped(ctx context.Context) {
	s.t.Helper()
	eventually(ctx, s.t, "Prometheus reads all metrics", func(ctx context.Context) error {
		up, err := s.query(ctx, `sum by (service) (up{job="ashbridge"})`)
		if err != nil {
			return err
		}
		for service, want := range s.replicas {
			if up[service] != float64(want) {
				return fmt.Errorf("of the %d replicas of %s, %v are up: %v", want, service, up[service], up)
			}
		}
		accepted, err := s.query(ctx, `sum by (service) (ashbridge_gateway_webhooks_total{outcome="accepted"})`)
		if err == nil && accepted["gateway"] < 1 {
			err = fmt.Errorf("no webhook was counted: %v", accepted)
		}
		return err
	})
	s.rules(ctx)
}

// shown says whether Grafana has dashboards, and finds Prometheus.
func (s *target) shown(ctx context.Context) {
	s.t.Helper()
	var found []struct{ Title string }
	s.call(ctx, http.MethodGet, s.grafana, "/api/search?type=dash-db", nil, &found)
	if len(found) == 0 {
		s.t.Error("Grafana has no dashboards")
	}
	s.call(ctx, http.MethodGet, s.grafana, "/api/datasources/uid/prometheus/health", nil, nil)
}

// query asks Prometheus, and returns the values by the label service.
func (s *target) query(ctx context.Context, expression string) (map[string]float64, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric struct{ Service string }
				Value  [2]any
			}
		}
	}
	if err := s.ask(ctx, http.MethodGet, s.prometheus, "/api/v1/query?query="+url.QueryEscape(expression), nil, &answer); err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for _, r := range answer.Data.Result {
		var value float64
		if _, err := fmt.Sscan(fmt.Sprint(r.Value[1]), &value); err != nil {
			return nil, fmt.Errorf("reading the value of %s: %w", expression, err)
		}
		out[r.Metric.Service] = value
	}
	return out, nil
}

func (s *target) call(ctx context.Context, method, host, path string, body, into any) {
	s.t.Helper()
	if err := s.ask(ctx, method, host, path, body, into); err != nil {
		s.t.Fatal(err)
	}
}

// ask sends body and reads the answer into into, both optional.
func (s *target) ask(ctx context.Context, method, host, path string, body, into any) error {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(raw)
	}
	status, answer, err := s.do(ctx, method, host, path, content)
	if err != nil {
		return err
	}
	if status >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s answers %d: %s", method, path, status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal([]byte(answer), into)
}

func (s *target) get(ctx context.Context, host, path string) (status int, body string, err error) {
	return s.do(ctx, http.MethodGet, host, path, nil)
}

func (s *target) do(ctx context.Context, method, host, path string, body io.Reader) (status int, answer string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+host+path, body)
	if err != nil {
		return 0, "", err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	switch host {
	case s.gateway:
		req.Header.Set("Authorization", "Bearer "+s.token)
	case s.grafana:
		req.SetBasicAuth("admin", s.password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	return resp.StatusCode, string(raw), err
}
