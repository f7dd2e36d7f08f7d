package local

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

func testAccounts(t *testing.T) *Accounts {
	t.Helper()
	pair, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return &Accounts{BoardsIssuer: public, Passwords: map[string]string{
		natsconf.UserAdmin: "1 \"quoted\" $PATH", natsconf.UserGateway: "g", natsconf.UserSyncer: "s", natsconf.UserNotifier: "n",
	}}
}

// A server that asks who connects takes over what one that did not had stored.
func TestAccountsKeepTheStreamsOfBefore(t *testing.T) {
	t.Parallel()
	dir, accounts := t.TempDir(), testAccounts(t)
	run := func(o NATSOptions, work func(js jetstream.JetStream)) {
		t.Helper()
		o.Dir, o.Addr = dir, "127.0.0.1:0"
		n, err := StartNATS(o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := n.Stop(); err != nil {
				t.Error(err)
			}
		}()
		nc, err := nats.Connect(n.URL(), nats.UserInfo(natsconf.UserAdmin, accounts.Passwords[natsconf.UserAdmin]))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		work(js)
	}
	holds := func(want uint64) func(js jetstream.JetStream) {
		return func(js jetstream.JetStream) {
			t.Helper()
			s, err := js.Stream(t.Context(), "KEPT")
			if err != nil {
				t.Fatal(err)
			}
			if got := s.CachedInfo().State.Msgs; got != want {
				t.Errorf("%d messages, want %d", got, want)
			}
			if _, err := js.Publish(t.Context(), "kept.x", nil); err != nil {
				t.Error(err)
			}
		}
	}
	run(NATSOptions{}, func(js jetstream.JetStream) {
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KEPT", Subjects: []string{"kept.>"}}); err != nil {
			t.Fatal(err)
		}
		holds(0)(js)
	})
	run(NATSOptions{Accounts: accounts}, holds(1))
	run(NATSOptions{Accounts: accounts}, holds(2))
}

func TestAccountsAreComplete(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(a *Accounts){
		"no password": func(a *Accounts) { a.Passwords[natsconf.UserSyncer] = "" },
		"no issuer":   func(a *Accounts) { a.BoardsIssuer = "" },
		"odd issuer":  func(a *Accounts) { a.BoardsIssuer = "admin" },
	} {
		a := testAccounts(t)
		spoil(a)
		if n, err := StartNATS(NATSOptions{Dir: t.TempDir(), Accounts: a}); err == nil {
			t.Errorf("%s: it runs", name)
			_ = n.Stop()
		}
	}
	address, err := testAccounts(t).WithCredentials("nats://h:1", natsconf.UserGateway)
	if err != nil || !strings.HasPrefix(address, "nats://gateway:g@h:1") {
		t.Errorf("%s, %v", address, err)
	}
}
