package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

const (
	ingestRequests    = 40_000
	ingestConnections = 64
	ingestBody        = 1536
	ingestSecret      = "whsec_bench_0123456789abcdef"
	ingestToken       = "benchtoken0123456789abcdef"
)

// BenchmarkIngest measures webhooks a second through the real gateway (signature, inbox commit with fsync, hints) and, in
// the same run and in turns, through a bare Fiber handler that commits the same rows in the same groups and does nothing
// else. Server, load and Postgres share the machine.
func BenchmarkIngest(b *testing.B) {
	f := newIngest(b)
	for b.Loop() {
		var whole, bare float64
		const rounds = 3
		for range rounds {
			whole += f.measure(b, f.gatewayAddr, "/hooks/ashby/"+ingestToken+"/jobPostingUpdate") / rounds
			bare += f.measure(b, f.bareAddr, "/") / rounds
		}
		b.ReportMetric(whole, "gateway-webhooks/s")
		b.ReportMetric(bare, "bare-webhooks/s")
		b.ReportMetric(whole/bare, "gateway/bare")
	}
}

type ingestFixture struct {
	connection            string
	gatewayAddr, bareAddr string
	run                   int
}

func newIngest(b *testing.B) *ingestFixture {
	ctx, cancel := context.WithCancel(b.Context())
	log := slog.New(slog.DiscardHandler)
	db, err := postgres.Open(ctx, postgres.Options{URL: localtest.Database(b), MaxConns: 16, Logger: log})
	if err != nil {
		b.Fatal(err)
	}
	if err := db.Migrate(ctx); err != nil {
		b.Fatal(err)
	}
	keys, err := seal.Create(filepath.Join(b.TempDir(), "keyset.json"))
	if err != nil {
		b.Fatal(err)
	}
	bs, err := bus.Connect(ctx, bus.Options{URL: localtest.NATS(b).URL(), Logger: log, MaxBytesJobs: 64 << 20, MaxBytesSpill: 64 << 20})
	if err != nil {
		b.Fatal(err)
	}
	f := &ingestFixture{connection: uuid.NewString()}
	f.register(b, db, keys)
	gateLn, bareLn := listenLocal(b), listenLocal(b)
	f.gatewayAddr, f.bareAddr = gateLn.Addr().String(), bareLn.Addr().String()
	g, err := app.Gateway(app.Parts{
		Config: config.Config{PublicURL: "http://" + f.gatewayAddr, AdminToken: adminToken, Modules: []string{"jobs"}, PollInterval: time.Hour, RequestsPerMinute: 900},
		DB:     db, Bus: bs, Keys: keys, Log: log, Registry: prometheus.NewRegistry(), Owner: "bench",
	})
	if err != nil {
		b.Fatal(err)
	}
	bare, commit := bareIngest(db, f.connection)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.Run(ctx, gateLn) })
	group.Go(func() error { return bare.Listener(bareLn) })
	group.Go(func() error { return commit(ctx) })
	b.Cleanup(func() {
		cancel()
		_ = bare.ShutdownWithTimeout(time.Second)
		if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			b.Error(err)
		}
		bs.Close()
		_ = db.Close()
	})
	return f
}

func listenLocal(b *testing.B) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return ln
}

// register stores a connection whose webhooks are signed with ingestSecret.
func (f *ingestFixture) register(b *testing.B, db *postgres.DB, keys *seal.Keyset) {
	sealedKey, err := keys.Seal("some-key", f.connection, seal.KindAPIKey)
	if err != nil {
		b.Fatal(err)
	}
	sealedSecret, err := keys.Seal(ingestSecret, f.connection, seal.KindWebhookSecret)
	if err != nil {
		b.Fatal(err)
	}
	err = db.Gateway().Create(b.Context(), mirror.NewConnection{
		Connection: mirror.Connection{
			ID: f.connection, Part: mirror.Part(f.connection), EmployerRef: "bench", EmployerName: "Bench", Status: mirror.StatusActive,
			Modules: []string{"jobs"}, PollInterval: time.Hour, WebhookToken: ingestToken,
		},
		Key: sealedKey, KeyFingerprint: keys.Fingerprint("some-key"), WebhookSecret: sealedSecret,
	})
	if err != nil {
		b.Fatal(err)
	}
}

// bareIngest is the least that can answer 200 after a commit: no token, no signature, no parsing.
func bareIngest(db *postgres.DB, connection string) (*fiber.App, func(context.Context) error) {
	type item struct {
		d    mirror.Delivery
		done chan error
	}
	queue := make(chan item, 4096)
	var n atomic.Int64
	bare := fiber.New(fiber.Config{DisableStartupMessage: true})
	bare.Post("/", func(c *fiber.Ctx) error {
		body := append([]byte(nil), c.BodyRaw()...)
		it := item{done: make(chan error, 1), d: mirror.Delivery{
			Connection: connection, Action: "jobPostingUpdate", Dedupe: fmt.Sprintf("bare-%d-%d", n.Add(1), len(body)),
			Kind: "posting", Object: fmt.Sprintf("posting-%d", n.Load()%1000),
		}}
		queue <- it
		if err := <-it.done; err != nil {
			return err
		}
		return c.SendStatus(fiber.StatusOK)
	})
	store := db.Gateway()
	return bare, func(ctx context.Context) error {
		for {
			var batch []item
			select {
			case <-ctx.Done():
				return ctx.Err()
			case it := <-queue:
				batch = append(batch, it)
			}
			for more := true; more && len(batch) < 512; {
				select {
				case it := <-queue:
					batch = append(batch, it)
				default:
					more = false
				}
			}
			ds := make([]mirror.Delivery, len(batch))
			for i, it := range batch {
				ds[i] = it.d
			}
			err := store.Commit(ctx, ds)
			for _, it := range batch {
				it.done <- err
			}
		}
	}
}

// measure sends the requests over 64 connections, as fast as they are answered, and returns how many a second were
// answered 200. Bodies and signatures are made beforehand.
func (f *ingestFixture) measure(b *testing.B, addr, path string) float64 {
	f.run++
	type request struct {
		body      []byte
		signature string
	}
	requests := make([]request, ingestRequests)
	for i := range requests {
		body := fmt.Appendf(nil, `{"action":"jobPostingUpdate","webhookActionId":"%d-%d","data":{"jobPosting":{"id":"posting-%d","title":"`, f.run, i, i%1000)
		body = append(body, strings.Repeat("x", ingestBody-len(body)-4)...)
		body = append(body, `"}}}`...)
		requests[i] = request{body, ashby.Sign(body, ingestSecret)}
	}
	client := &fasthttp.HostClient{Addr: addr, MaxConns: ingestConnections}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var workers sync.WaitGroup
	begin := time.Now()
	for range ingestConnections {
		workers.Go(func() {
			req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			defer fasthttp.ReleaseRequest(req)
			defer fasthttp.ReleaseResponse(resp)
			for {
				i := next.Add(1) - 1
				if i >= ingestRequests {
					return
				}
				req.Header.SetMethod(fasthttp.MethodPost)
				req.SetRequestURI("http://" + addr + path)
				req.Header.Set(ashby.SignatureHeader, requests[i].signature)
				req.SetBodyRaw(requests[i].body)
				if err := client.Do(req, resp); err != nil || resp.StatusCode() != fasthttp.StatusOK {
					b.Errorf("request %d: %d %v %s", i, resp.StatusCode(), err, resp.Body())
					return
				}
			}
		})
	}
	workers.Wait()
	return ingestRequests / time.Since(begin).Seconds()
}
