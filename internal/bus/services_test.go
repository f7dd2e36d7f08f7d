package bus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	for i, err := range errs {
		if err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

// The permissions of each service suffice for all that its code asks of the bus.
func TestEachServiceMayDoItsWork(t *testing.T) {
	t.Parallel()
	g := bustest.StartGuarded(t)
	as := func(user string) *bus.Bus {
		return bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: g.As(user), Records: true}))
	}
	gateway, syncer, notifier := as(natsconf.UserGateway), as(natsconf.UserSyncer), as(natsconf.UserNotifier)
	hint := mirror.Hint{Connection: "c", Kind: mirror.HintPoll}

	t.Run("hints and wake-ups", func(t *testing.T) {
		must(t, gateway.PublishHint(t.Context(), hint))
		ctx, cancel := context.WithCancel(t.Context())
		tries := 0
		err := syncer.Hints(ctx, hint.Part(), func(_ context.Context, m bus.HintMsg) {
			must(t, m.Working())
			if tries++; tries == 1 {
				must(t, m.Retry(0))
				return
			}
			must(t, m.Ack())
			cancel()
		})
		if !errors.Is(err, context.Canceled) || tries != 2 {
			t.Errorf("%d tries, %v", tries, err)
		}
		must(t, syncer.PublishHint(t.Context(), hint))
		woken := make(chan struct{}, 4)
		wake := func() { woken <- struct{}{} }
		unsubscribe, err := notifier.OnWake(wake)
		must(t, err)
		defer unsubscribe()
		unsubscribeWebhooks, err := notifier.OnWakeWebhooks(wake)
		must(t, err, notifier.Conn().Flush())
		defer unsubscribeWebhooks()
		gateway.WakeRelay()
		syncer.WakeRelay()
		gateway.WakeWebhooks()
		notifier.WakeWebhooks()
		for range 4 {
			<-woken
		}
	})
	t.Run("spill", func(t *testing.T) {
		must(t, gateway.Spill(t.Context(), mirror.Delivery{Connection: "c"}))
		n := 0
		must(t, gateway.DrainSpill(t.Context(), func(_ context.Context, ds []mirror.Delivery) error { n += len(ds); return nil }))
		if n != 1 {
			t.Errorf("%d deliveries drained", n)
		}
	})
	t.Run("events", func(t *testing.T) {
		seq := stock(t, notifier, 3, "a.1")
		seq = publish(t, notifier, seq, msg("jobs.v1.a.2", "a2", 1), msg("connections.v1.a", "c1", 1))
		_, last, err := notifier.Tail(t.Context(), 10)
		_, err2 := notifier.Contents(t.Context())
		must(t, err, err2, notifier.EnsureJobs(t.Context()), notifier.DropBefore(t.Context(), "jobs.v1.a.1", 3))
		if last != seq {
			t.Errorf("the tail ends at %d instead of %d", last, seq)
		}
	})
	t.Run("another shape", func(t *testing.T) {
		admin := as(natsconf.UserAdmin)
		for name, b := range map[string]*bus.Bus{bus.StreamJobs: notifier, bus.StreamSpill: gateway, bus.StreamHints: syncer} {
			cfg := streamConfig(t, admin, name)
			want := cfg.MaxBytes
			cfg.MaxBytes /= 2
			_, err := admin.JetStream().UpdateStream(t.Context(), cfg)
			must(t, err, b.EnsureStreams(t.Context()))
			if got := streamConfig(t, admin, name).MaxBytes; got != want {
				t.Errorf("%s takes %d bytes", name, got)
			}
		}
	})
	t.Run("records", func(t *testing.T) {
		m, err := bus.RecordMsg("c", "job", "1", 1)
		must(t, err)
		m.Data = []byte("{}")
		last, err := notifier.PublishRecords(t.Context(), []bus.Msg{m}, 0)
		_, err2 := notifier.FenceRecords(t.Context(), last)
		_, err3 := notifier.RecordsInfo(t.Context())
		must(t, err, err2, err3, notifier.PurgeRecords(t.Context(), "", ""))
	})
	for _, b := range []*bus.Bus{gateway, notifier} {
		t.Run("boards", func(t *testing.T) {
			s := bustest.NewSubscriber("a")
			must(t, b.PutSubscriber(t.Context(), s))
			s.Replay = 2
			must(t, b.PutSubscriber(t.Context(), s))
			s.Generation, s.Start = 2, mirror.Start{Kind: mirror.StartPrevious}
			must(t, b.PutSubscriber(t.Context(), s), b.DropSubscriber(t.Context(), s.ID, 2))
		})
	}
	t.Run("what the notifier shows of streams", func(t *testing.T) {
		sizes, err := notifier.StreamSizes(t.Context())
		must(t, err)
		names := ""
		for _, s := range sizes {
			names += s.Name + " "
			if s.MaxBytes <= 0 || s.Replicas != 1 || s.Current != 1 {
				t.Errorf("%+v", s)
			}
		}
		if names != "HINTS JOBS SPILL RECORDS " {
			t.Errorf("told of %s", names)
		}
	})
	t.Run("what the gateway tells of boards", func(t *testing.T) {
		s := bustest.NewSubscriber("a")
		must(t, gateway.PutSubscriber(t.Context(), s))
		_, err := gateway.SubscriberLag(t.Context(), s)
		_, _, err2 := gateway.JobPlace(t.Context(), "a", "1", 3)
		list, err3 := notifier.BoardConsumers(t.Context())
		must(t, err, err2, err3, notifier.TellAcks(t.Context(), s.User()), notifier.DropConsumer(t.Context(), s.User()))
		if len(list) != 1 {
			t.Errorf("listed %+v", list)
		}
	})
}

// And for nothing that would harm the others.
func TestNoServiceMayDoAnothersWork(t *testing.T) {
	t.Parallel()
	g := bustest.StartGuarded(t)
	admin := bustest.Ready(t, bustest.Connect(t, g.As(natsconf.UserAdmin)))
	stock(t, admin, 2, "a.1")
	user, _ := g.Board(admin, bustest.NewSubscriber())
	never := []string{
		"$JS.API.STREAM.DELETE.JOBS", "$JS.API.STREAM.DELETE.HINTS", "$JS.API.STREAM.DELETE.SPILL", "$JS.API.STREAM.DELETE.RECORDS",
		"$JS.API.STREAM.PURGE.SPILL", "$JS.API.STREAM.PURGE.HINTS", "$JS.API.STREAM.MSG.DELETE.JOBS", "$JS.API.STREAM.CREATE.MINE",
		"$JS.API.CONSUMER.DURABLE.CREATE.JOBS.x", "$JS.ACK.JOBS." + user + ".1.1.1.1.1", "_INBOX.x", "_INBOX_" + user + ".x",
		"$SYS.REQ.USER.AUTH",
	}
	for name, more := range map[string][]string{
		natsconf.UserGateway: {
			"jobs.v1.a.1", "connections.v1.a", "records.v1.a.job.1", "$JS.API.STREAM.PURGE.JOBS", "$JS.API.STREAM.PURGE.RECORDS",
			"$JS.API.CONSUMER.CREATE.HINTS.x", "$JS.ACK.HINTS.x.1.1.1.1.1", "$JS.API.STREAM.UPDATE.JOBS",
		},
		natsconf.UserSyncer: {
			"jobs.v1.a.1", "connections.v1.a", "spill.a", "$JS.API.STREAM.PURGE.JOBS", "$JS.API.STREAM.PURGE.RECORDS",
			"$JS.API.CONSUMER.CREATE.JOBS.x", "$JS.API.CONSUMER.CREATE.SPILL.spill", "$JS.API.CONSUMER.DELETE.JOBS." + user,
			"$JS.API.CONSUMER.MSG.NEXT.JOBS." + user, "$JS.API.DIRECT.GET.JOBS", "$JS.API.STREAM.INFO.JOBS",
			"$JS.API.STREAM.UPDATE.JOBS", "$JS.API.STREAM.UPDATE.SPILL", "$JS.API.STREAM.UPDATE.RECORDS",
		},
		natsconf.UserNotifier: {
			"hints.3.a.poll", "spill.a", "$JS.API.CONSUMER.CREATE.HINTS.x", "$JS.API.CONSUMER.CREATE.SPILL.spill",
			"$JS.API.CONSUMER.MSG.NEXT.SPILL.spill", "$JS.API.STREAM.UPDATE.SPILL", "$JS.API.STREAM.UPDATE.HINTS",
		},
	} {
		i := intrude(t, g.As(name))
		for _, subject := range append(never, more...) {
			if err := i.Publish(subject, []byte("x")); err != nil {
				t.Fatal(err)
			}
			i.violation(t, subject)
		}
		for _, subject := range []string{">", "jobs.v1.>", "hints.>", "spill.*", "$JS.>", "_INBOX_" + user + ".>"} {
			if _, err := i.SubscribeSync(subject); err != nil {
				t.Fatal(err)
			}
			i.violation(t, subject)
		}
	}
	if info, err := admin.JobsInfo(t.Context()); err != nil || info.LastSeq != 2 || info.Messages != 2 {
		t.Errorf("JOBS is %+v, %v", info, err)
	}
}

// Known, and bounded: who asks the server for something names the subject of the answer, and the server does not look
// whether he could publish there himself. So gateway and syncer, in the account of the streams, can have its answers stored
// in JOBS after all. They are no events: boards pass over them, and the relay removes them (TestDamage of package notifier).
func TestAnswersOfTheServerGetIntoJOBS(t *testing.T) {
	t.Parallel()
	g := bustest.StartGuarded(t)
	admin := bustest.Ready(t, bustest.Connect(t, g.As(natsconf.UserAdmin)))
	user, _ := g.Board(admin, bustest.NewSubscriber())
	seq := stock(t, admin, 2, "a.1")
	for _, c := range []struct{ user, subject, to string }{
		{natsconf.UserGateway, "$JS.API.STREAM.INFO.JOBS", "jobs.v1.x.0"},
		{natsconf.UserGateway, "hints.3.a.poll", "jobs.v1.x.1"},
		{natsconf.UserSyncer, "hints.3.a.poll", "connections.v1.x"},
	} {
		i := intrude(t, g.As(c.user))
		if c.user == natsconf.UserGateway {
			// Events are not stored once more: their headers say where in the stream they belong.
			must(t, i.PublishRequest("$JS.API.DIRECT.GET.JOBS", "jobs.v1.x.old", []byte(`{"last_by_subj":"jobs.v1.a.1"}`)),
				i.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.JOBS."+user, "jobs.v1.x.old", []byte(`{"batch":1}`)))
		}
		must(t, i.PublishRequest(c.subject, c.to, nil))
		bustest.Eventually(t, c.subject+" is answered into JOBS", func() bool {
			contents, err := admin.Contents(t.Context())
			return err == nil && contents.Last == seq+1 && contents.Places[c.to].Foreign
		})
		seq++
	}
	// A service that was taken over can also give a stream of its own a shape that publishes into JOBS what looks like an
	// event. SECURITY.md says so; the relay outbids or removes it.
	i := intrude(t, g.As(natsconf.UserGateway))
	spill := streamConfig(t, admin, bus.StreamSpill)
	spill.RePublish = &jetstream.RePublish{Source: "spill.a", Destination: "jobs.v1.x.2"}
	body, err := json.Marshal(spill)
	must(t, err)
	answer, err := i.Request("$JS.API.STREAM.UPDATE.SPILL", body, 20*time.Second)
	if err != nil || bytes.Contains(answer.Data, []byte(`"error"`)) {
		t.Fatalf("%s, %v", answer.Data, err)
	}
	must(t, i.PublishMsg(&nats.Msg{Subject: "spill.a", Data: []byte("{}"), Header: nats.Header{
		events.HeaderVersion: {"1"}, "Nats-Msg-Id": {"forged"},
	}}))
	bustest.Eventually(t, "a forged event is stored", func() bool {
		contents, err := admin.Contents(t.Context())
		return err == nil && contents.Places["jobs.v1.x.2"].Version == 1
	})
}

// The configuration for a server of one's own is read by that server, from files and with variables as it will be.
func TestTheConfigurationRunsAServerOfItsOwn(t *testing.T) {
	a := bustest.NewAccounts(t)
	t.Setenv("BOARDS_ISSUER", a.BoardsIssuer)
	t.Setenv("ADMIN_PASSWORD", a.Passwords[natsconf.UserAdmin])
	t.Setenv("GATEWAY_PASSWORD", a.Passwords[natsconf.UserGateway])
	t.Setenv("SYNCER_PASSWORD", `"1`+a.Passwords[natsconf.UserSyncer]+`"`) // a digit, so quotes
	t.Setenv("NOTIFIER_PASSWORD", a.Passwords[natsconf.UserNotifier])
	o, err := server.ProcessConfigFile("../../ops/nats/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	if !o.SyncAlways || !o.JetStream || o.MaxPayload != bus.MaxMessage || o.StoreDir != "/var/lib/nats" ||
		o.JetStreamMaxStore != 16<<30 || o.JetStreamMaxMemory != 256<<20 {
		t.Errorf("the server is set to %+v", o)
	}
	o.StoreDir, o.Host, o.Port, o.HTTPPort, o.NoSigs, o.NoLog = t.TempDir(), "127.0.0.1", server.RANDOM_PORT, 0, true, true
	srv, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	gateway := bustest.Ready(t, bustest.Connect(t, a.As(t, srv.ClientURL(), natsconf.UserGateway)))
	a.Passwords[natsconf.UserSyncer] = "1" + a.Passwords[natsconf.UserSyncer]
	bustest.Ready(t, bustest.Connect(t, a.As(t, srv.ClientURL(), natsconf.UserSyncer)))

	s := bustest.NewSubscriber()
	put(t, gateway, s)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- gateway.ServeLogins(ctx, a.Issuer, func(_ context.Context, l mirror.Login) error {
			if l.User == s.User() && l.Password == "right" && l.Host != "" {
				return nil
			}
			return mirror.ErrDenied
		})
	}()
	var nc *nats.Conn
	bustest.Eventually(t, "a board logs in", func() bool {
		nc, err = nats.Connect(srv.ClientURL(), nats.UserInfo(s.User(), "right"), nats.CustomInboxPrefix(mirror.InboxPrefix(s.User())))
		return err == nil
	})
	defer nc.Close()
	js, err := jetstream.New(nc)
	must(t, err)
	same(t, "nothing yet", take(t, js, s.User(), 1, everything))
	cancel()
	must(t, <-served)
}

func TestIssuers(t *testing.T) {
	t.Parallel()
	seed, public, err := bus.NewIssuer()
	must(t, err)
	if got, err := bus.IssuerKey(seed); err != nil || got != public || public[0] != 'A' {
		t.Errorf("%s of %s, %v", got, public, err)
	}
	b := bustest.Connect(t, bustest.NewServer(t).URL())
	for _, odd := range []string{"", public, seed[:len(seed)-1], "SU" + seed[2:]} {
		_, err := bus.IssuerKey(odd)
		if err == nil || len(odd) > 10 && strings.Contains(err.Error(), odd) {
			t.Errorf("%q: %v", odd, err)
		}
	}
	if err := b.ServeLogins(t.Context(), "nonsense", nil); err == nil {
		t.Error("logins are answered with nonsense")
	}
}

// lines keeps what is logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) has(what string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.b.Bytes(), []byte(what))
}

// A server that is set up otherwise than the gateway believes leaves boards outside, or lets everybody do everything: the
// gateway says so.
func TestAServerOfAnotherMind(t *testing.T) {
	t.Parallel()
	serve := func(url string, issuer ashby.Secret) *lines {
		t.Helper()
		log := &lines{}
		b := bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: url, Logger: slog.New(slog.NewTextHandler(log, nil))}))
		ctx, cancel := context.WithCancel(t.Context())
		var serving sync.WaitGroup
		serving.Go(func() {
			must(t, b.ServeLogins(ctx, issuer, func(context.Context, mirror.Login) error { return nil }))
		})
		t.Cleanup(func() { cancel(); serving.Wait() })
		return log
	}
	other, _, err := bus.NewIssuer()
	must(t, err)
	open := serve(bustest.StartServer(t).URL(), ashby.Secret(other))
	bustest.Eventually(t, "an open door is told of", func() bool { return open.has("asks nobody for a password") })

	accounts := bustest.NewAccounts(t)
	guarded := localtest.NewGuardedNATS(t, &accounts.Accounts)
	strange := serve(accounts.As(t, guarded.URL(), natsconf.UserGateway), ashby.Secret(other))
	if nc, err := nats.Connect(guarded.URL(), nats.UserInfo("sub", "x"), nats.Timeout(20*time.Second)); err == nil {
		nc.Close()
		t.Error("somebody came in")
	}
	if !strange.has("trusts another issuer") || strange.has("asks nobody") || strange.has(other) {
		t.Errorf("logged: %s", strange.b.String())
	}
}
