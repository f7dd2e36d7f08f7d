package bus_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

// attempt is something to publish that a board must not.
type attempt struct {
	subject, body string
	// quiet says that nobody answers it, even if it is allowed; untried that the control leaves it out, since the server itself
	// alone may do it, or since it would go on after the test.
	quiet, untried bool
}

// attempts are what a hostile board publishes; own and other are users. What destroys something comes after what needs it.
func attempts(own, other string) []attempt {
	consumer := func(name, more string) string {
		return fmt.Sprintf(`{"stream_name":"JOBS","config":{"durable_name":%q,"ack_policy":"explicit"%s}}`, name, more)
	}
	update := `{"name":"JOBS","subjects":["jobs.v1.*.*","connections.v1.*"],"retention":"limits","storage":"file",
		"num_replicas":1,"max_msgs_per_subject":1,"max_consumers":-1,"max_msgs":-1,"max_bytes":1048576,"deny_delete":true,
		"allow_direct":true,"allow_atomic":true,"allow_msg_ttl":true,"discard":"new"}`
	return []attempt{
		// Other boards' consumers.
		{subject: "$JS.API.CONSUMER.INFO.JOBS." + other},
		{subject: "$JS.API.CONSUMER.MSG.NEXT.JOBS." + other, body: "1"},
		{subject: "$JS.ACK.JOBS." + other + ".1.1.1.1.1", quiet: true},
		{subject: "$JS.ACK._.hash.JOBS." + other + ".1.1.1.1.1", quiet: true},
		{subject: "$JS.API.CONSUMER.LIST.JOBS"},
		{subject: "$JS.API.CONSUMER.NAMES.JOBS"},
		// Reading streams.
		{subject: "$JS.API.INFO"},
		{subject: "$JS.API.STREAM.LIST"},
		{subject: "$JS.API.STREAM.NAMES"},
		{subject: "$JS.API.STREAM.INFO.JOBS"},
		{subject: "$JS.API.STREAM.INFO.HINTS"},
		{subject: "$JS.API.STREAM.MSG.GET.JOBS", body: `{"seq":1}`},
		{subject: "$JS.API.STREAM.MSG.GET.SPILL", body: `{"last_by_subj":"spill.c"}`},
		{subject: "$JS.API.DIRECT.GET.JOBS", body: `{"seq":1}`},
		{subject: "$JS.API.DIRECT.GET.JOBS.jobs.v1.b.1"},
		// Making consumers, also such that push to a subject of choice, and others' and its own anew.
		{subject: "$JS.API.CONSUMER.CREATE.JOBS", body: `{"stream_name":"JOBS","config":{"ack_policy":"none"}}`},
		{subject: "$JS.API.CONSUMER.CREATE.JOBS.mine", body: consumer("mine", "")},
		{subject: "$JS.API.CONSUMER.CREATE.JOBS.mine2.jobs.v1.b.*", body: consumer("mine2", `,"filter_subject":"jobs.v1.b.*"`)},
		{subject: "$JS.API.CONSUMER.DURABLE.CREATE.JOBS.mine3", body: consumer("mine3", "")},
		{
			subject: "$JS.API.CONSUMER.CREATE.JOBS.pushed",
			body:    consumer("pushed", `,"deliver_subject":"hints.3.b.poll","filter_subject":"jobs.v1.a.1"`),
		},
		{subject: "$JS.API.CONSUMER.CREATE.JOBS.ordered", body: `{"stream_name":"JOBS","config":{"name":"ordered",
			"deliver_subject":"_INBOX_` + own + `.o","ack_policy":"none","flow_control":true,"idle_heartbeat":5000000000,
			"mem_storage":true,"num_replicas":1}}`},
		{subject: "$JS.API.CONSUMER.PAUSE.JOBS." + own, body: `{}`},
		{subject: "$JS.API.CONSUMER.PAUSE.JOBS." + other, body: `{"pause_until":"2100-01-01T00:00:00Z"}`},
		{subject: "$JS.API.CONSUMER.RESET.JOBS." + own, body: `{}`},
		{subject: "$JS.API.CONSUMER.DELETE.JOBS." + other},
		{subject: "$JS.API.CONSUMER.DELETE.JOBS." + own},
		// Publishing.
		{subject: "jobs.v1.a.1", body: `{"forged":true}`},
		{subject: "connections.v1.a", body: `{"forged":true}`},
		{subject: "records.v1.a.job.1", body: `{"forged":true}`},
		{subject: "hints.3.a.poll"},
		{subject: "spill.a", body: `{"Connection":"a"}`},
		{subject: "ashbridge.wake.relay", quiet: true},
		{subject: "_INBOX_" + other + ".x", quiet: true},
		{subject: "_INBOX_" + own + ".x", quiet: true},
		{subject: "_INBOX.x", quiet: true},
		{subject: "_R_.x", quiet: true},
		{subject: "$SYS.REQ.USER.AUTH", body: "x", untried: true},
		{subject: "$SYS.REQ.USER.INFO"},
		{subject: "$SYS.REQ.SERVER.PING", quiet: true},
		{subject: "$SYS.REQ.ACCOUNT.PING.CONNZ", quiet: true},
		// Changing and destroying streams.
		{subject: "$JS.API.STREAM.CREATE.MINE", body: `{"name":"MINE","subjects":["mine.>"],"storage":"memory"}`},
		{subject: "$JS.API.STREAM.SNAPSHOT.JOBS", body: `{"deliver_subject":"_INBOX_` + own + `.s"}`, untried: true},
		{subject: "$JS.API.STREAM.UPDATE.JOBS", body: update},
		{subject: "$JS.API.STREAM.PURGE.JOBS", body: `{"filter":"jobs.v1.b.1"}`},
		{subject: "$JS.API.STREAM.PURGE.HINTS"},
		{subject: "$JS.API.STREAM.MSG.DELETE.HINTS", body: `{"seq":1}`, quiet: true},
		{subject: "$JS.API.STREAM.DELETE.SPILL"},
		{subject: "$JS.API.STREAM.DELETE.JOBS"},
	}
}

// listens are what a hostile board subscribes to.
func listens(other string) []string {
	return []string{
		">", "*.>", "jobs.v1.>", "jobs.v1.a.1", "connections.v1.*", "records.v1.>", "hints.>", "spill.*", "ashbridge.>", "$SYS.>",
		"$SYS.REQ.USER.AUTH", "$SYS.ACCOUNT.>", "$JS.>", "$JS.API.>", "$JS.ACK.>", "$JS.EVENT.>", "_INBOX.>", "_R_.>",
		"_INBOX_" + other + ".>", "_INBOX_" + other + ".x", "_INBOX_*.>",
	}
}

// intruder is a connection whose complaints by the server are kept.
type intruder struct {
	*nats.Conn
	complaints chan error
}

func intrude(t *testing.T, url string, o ...nats.Option) intruder {
	t.Helper()
	i := intruder{complaints: make(chan error, 256)}
	nc, err := nats.Connect(url, append(o, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		i.complaints <- err
	}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	i.Conn = nc
	return i
}

// violation waits for the complaint about something that must be refused.
func (i intruder) violation(t *testing.T, about string) {
	t.Helper()
	select {
	case err := <-i.complaints:
		if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), `"`+about+`"`) {
			t.Errorf("%s: the server complains otherwise: %v", about, err)
		}
	case <-time.After(20 * time.Second):
		t.Errorf("%s was not refused", about)
	}
}

// world is a server with events of two employers, a board for each, and something in every stream.
type world struct {
	*bustest.Guarded
	admin        *bus.Bus
	mine, others mirror.Subscriber
	password     string
	other        *nats.Conn
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Guarded: bustest.StartGuarded(t)}
	w.admin = bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: w.As(natsconf.UserAdmin), Records: true}))
	stock(t, w.admin, 3, "a.1", "b.1")
	if err := w.admin.PublishHint(t.Context(), mirror.Hint{Connection: "c", Kind: mirror.HintPoll}); err != nil {
		t.Fatal(err)
	}
	if err := w.admin.Spill(t.Context(), mirror.Delivery{Connection: "c"}); err != nil {
		t.Fatal(err)
	}
	w.mine, w.others = bustest.NewSubscriber("a"), bustest.NewSubscriber("b")
	_, w.password = w.Board(w.admin, w.mine)
	user, password := w.Board(w.admin, w.others)
	w.other = board(t, w.URL(), user, password)
	return w
}

// state is everything that a hostile board might have changed.
func (w *world) state(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, name := range []string{bus.StreamJobs, bus.StreamHints, bus.StreamSpill, bus.StreamRecords} {
		s, err := w.admin.JetStream().Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		info := s.CachedInfo()
		fmt.Fprintf(&out, "%s %d %d %d %d\n", name, info.State.Msgs, info.State.LastSeq, info.State.Consumers, info.Config.MaxBytes)
	}
	for _, s := range []mirror.Subscriber{w.mine, w.others} {
		c, err := w.admin.JetStream().Consumer(t.Context(), bus.StreamJobs, s.User())
		if err != nil {
			t.Fatal(err)
		}
		info := c.CachedInfo()
		fmt.Fprintln(&out, info.Config.FilterSubjects, info.Paused, info.AckFloor.Stream, info.Created)
		if s.ID == w.others.ID {
			fmt.Fprintln(&out, info.Delivered.Stream, info.NumPending)
		}
	}
	return out.String()
}

func (w *world) intrude(t *testing.T) intruder {
	t.Helper()
	user := w.mine.User()
	return intrude(t, w.URL(), nats.UserInfo(user, w.password), nats.CustomInboxPrefix(mirror.InboxPrefix(user)))
}

func TestAHostileBoardIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.intrude(t)
	before := w.state(t)
	for _, a := range attempts(w.mine.User(), w.others.User()) {
		if err := i.PublishRequest(a.subject, mirror.InboxPrefix(w.mine.User())+".answer", []byte(a.body)); err != nil {
			t.Fatal(err)
		}
		i.violation(t, a.subject)
	}
	for _, subject := range listens(w.others.User()) {
		for _, queue := range []string{"", "q"} {
			sub, err := i.QueueSubscribeSync(subject, queue)
			if err != nil {
				t.Fatal(err)
			}
			i.violation(t, subject)
			_ = sub.Unsubscribe()
		}
	}
	if after := w.state(t); after != before {
		t.Errorf("something changed:\n%safter:\n%s", before, after)
	}

	// Meanwhile its own way is open, with the plain client.
	js, err := jetstream.New(i.Conn)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "its own events", take(t, js, w.mine.User(), 10, everything), "a.1.3")
	if len(i.complaints) > 0 {
		t.Errorf("the server complains about what is allowed: %v", <-i.complaints)
	}
}

// The same attempts succeed for who may everything, so that it is the permissions that refused them.
func TestTheAttemptsAreWellFormed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := intrude(t, w.As(natsconf.UserAdmin))
	for _, subject := range listens(w.others.User()) {
		if _, err := i.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range attempts(w.mine.User(), w.others.User()) {
		if a.untried {
			continue
		}
		if a.quiet {
			if err := i.Publish(a.subject, []byte(a.body)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if a.subject == "$JS.API.STREAM.DELETE.SPILL" {
			w.admin.Close() // else it makes the stream again
		}
		msg, err := i.Request(a.subject, []byte(a.body), 20*time.Second)
		if err != nil {
			t.Errorf("%s: %v", a.subject, err)
			continue
		}
		var answer struct{ Error json.RawMessage }
		if json.Unmarshal(msg.Data, &answer) == nil && answer.Error != nil {
			t.Errorf("%s: %s", a.subject, msg.Data)
		}
	}
	if err := i.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(i.complaints) > 0 {
		t.Errorf("even the administrator is refused: %v", <-i.complaints)
	}
}

// A request names the subject of its answers, and the server does not ask whether the asker might publish there himself.
func TestAnswersReachNothingOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.intrude(t)
	before := w.state(t)
	own, other := w.mine.User(), w.others.User()
	next, info := "$JS.API.CONSUMER.MSG.NEXT.JOBS."+own, "$JS.API.CONSUMER.INFO.JOBS."+own
	targets := []string{
		"jobs.v1.a.1", "jobs.v1.b.1", "connections.v1.b", "hints.3.b.poll", "spill.b", "records.v1.b.job.1", "ashbridge.wake.relay",
		"$JS.API.STREAM.PURGE.JOBS", "$JS.API.STREAM.DELETE.JOBS", "$JS.API.CONSUMER.DELETE.JOBS." + other,
		"$JS.API.CONSUMER.MSG.NEXT.JOBS." + other, "$SYS.REQ.USER.AUTH",
	}
	for _, reply := range targets {
		// An event, the server's description of a consumer, and an empty status where no event is left.
		for _, a := range []attempt{{subject: next, body: "1"}, {subject: info}, {subject: next, body: `{"batch":5,"no_wait":true}`}} {
			if err := i.PublishRequest(a.subject, reply, []byte(a.body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	// An answer on such a subject would be an acknowledgement of another's event, so these are refused at once.
	reply := "$JS.ACK.JOBS." + other + ".1.1.1.1.1"
	if err := i.PublishRequest(info, reply, nil); err != nil {
		t.Fatal(err)
	}
	i.violation(t, reply)
	for _, a := range []attempt{{subject: info}, {subject: next, body: `{"batch":1,"no_wait":true}`}} {
		if _, err := i.Request(a.subject, []byte(a.body), 20*time.Second); err != nil {
			t.Fatal(err) // what was asked before is done
		}
	}
	if after := w.state(t); after != before {
		t.Errorf("something changed:\n%safter:\n%s", before, after)
	}
}

// In the account of the streams, the same request would forge an event: why boards have an account of their own.
func TestInOneAccountAnAnswerForgesAnEvent(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	stock(t, b, 3, "a.1")
	s := bustest.NewSubscriber("a")
	put(t, b, s)
	if err := b.Conn().PublishRequest("$JS.API.CONSUMER.INFO.JOBS."+s.User(), "jobs.v1.b.1", nil); err != nil {
		t.Fatal(err)
	}
	bustest.Eventually(t, "an answer of the server lies in JOBS", func() bool {
		info, err := b.JobsInfo(t.Context())
		return err == nil && info.LastSeq == 4
	})
}

func TestWhoIsNotLetIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := w.mine
	rotated := own
	rotated.Generation, rotated.Start = 2, mirror.Start{Kind: mirror.StartPrevious}
	inside := w.intrude(t)
	user, password := w.Board(w.admin, rotated)
	w.Refuse(own.User())
	revoked := bustest.NewSubscriber()
	revokedUser, revokedPassword := w.Board(w.admin, revoked)
	w.Refuse(revokedUser)
	for name, who := range map[string][2]string{
		"nobody": {"", ""}, "no password": {user, ""}, "wrong password": {user, password + "x"},
		"another's password": {w.others.User(), password}, "an old generation": {own.User(), w.password},
		"a revoked one": {revokedUser, revokedPassword}, "admin without a password": {natsconf.UserAdmin, ""},
		"gateway with a board's": {natsconf.UserGateway, password}, "unknown": {"somebody", "x"},
		"another account's user": {"$SYS", "x"}, "a wildcard": {"*", password},
	} {
		if nc, err := nats.Connect(w.URL(), nats.UserInfo(who[0], who[1])); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v", name, err)
			nc.Close()
		}
	}
	if nc, err := nats.Connect(w.URL(), nats.Token(password)); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("a password as token: %v", err)
		nc.Close()
	}
	board(t, w.URL(), user, password)

	// Who was inside before the rotation stays connected for a while, and gets nothing.
	msg, err := inside.Request("$JS.API.CONSUMER.MSG.NEXT.JOBS."+own.User(), []byte("1"), 500*time.Millisecond)
	if err == nil {
		t.Errorf("the old generation was given %s", msg.Data)
	}
}

// A gateway that cannot tell says nothing: a client that is told twice that its password is wrong gives up for good.
func TestWhoCannotBeJudgedIsNotToldToGiveUp(t *testing.T) {
	t.Parallel()
	g := bustest.StartGuarded(t)
	b := bustest.Ready(t, bustest.Connect(t, g.As(natsconf.UserAdmin)))
	user, password := g.Board(b, bustest.NewSubscriber())
	g.Unsure(true)
	nc, err := nats.Connect(g.URL(), nats.UserInfo(user, password), nats.Timeout(20*time.Second))
	if err == nil {
		nc.Close()
	}
	if err == nil || errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("the login ended with %v", err)
	}
	g.Unsure(false)
	board(t, g.URL(), user, password)
}
