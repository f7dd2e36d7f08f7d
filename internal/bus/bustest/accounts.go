package bustest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/local"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

// Accounts are the accounts of ops/nats with an issuer of their own and passwords that nobody else has.
type Accounts struct {
	local.Accounts
	// Issuer is the seed with which logins of boards are answered.
	Issuer ashby.Secret
}

// NewAccounts makes them.
func NewAccounts(t testing.TB) Accounts {
	t.Helper()
	seed, public, err := bus.NewIssuer()
	if err != nil {
		t.Fatal(err)
	}
	a := Accounts{Accounts: local.Accounts{BoardsIssuer: public, Passwords: map[string]string{}}, Issuer: ashby.Secret(seed)}
	for _, user := range []string{natsconf.UserAdmin, natsconf.UserGateway, natsconf.UserSyncer, natsconf.UserNotifier} {
		a.Passwords[user] = rand.Text()
	}
	return a
}

// As is a server's address with the credentials of a user.
func (a Accounts) As(t testing.TB, address, user string) string {
	t.Helper()
	withUser, err := a.WithCredentials(address, user)
	if err != nil {
		t.Fatal(err)
	}
	return withUser
}

// Guarded is a Server that asks who connects, and lets in the boards that a test made with Board.
type Guarded struct {
	*Server
	Accounts

	mu     sync.Mutex
	boards map[string]string // passwords by user
	// unsure is what a login is answered with instead; nil for the truth.
	unsure error
}

// StartGuarded starts one and stops it at the end of the test.
func StartGuarded(t testing.TB) *Guarded {
	t.Helper()
	g := &Guarded{Server: NewServer(t), Accounts: NewAccounts(t), boards: map[string]string{}}
	g.accounts = &g.Accounts.Accounts
	g.Start()
	b := Ready(t, Connect(t, g.As(natsconf.UserGateway)))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := b.ServeLogins(ctx, g.Issuer, g.admit); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); serving.Wait() })
	return g
}

// As is the server's address with the credentials of a user of the configuration.
func (g *Guarded) As(user string) string { return g.Accounts.As(g.t, g.URL(), user) }

// Board makes a subscriber's consumer, by b, and lets its user in with the password that is returned.
func (g *Guarded) Board(b *bus.Bus, s mirror.Subscriber) (user, password string) {
	g.t.Helper()
	if err := b.PutSubscriber(g.t.Context(), s); err != nil {
		g.t.Fatal(err)
	}
	return s.User(), g.Admit(s)
}

// Admit lets a subscriber's present user in with the password that is returned.
func (g *Guarded) Admit(s mirror.Subscriber) (password string) {
	password = "ash_sub_" + strings.ToLower(rand.Text())
	g.mu.Lock()
	defer g.mu.Unlock()
	g.boards[s.User()] = password
	return password
}

// Refuse lets a user in no more.
func (g *Guarded) Refuse(user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.boards, user)
}

// NewSubscriber is a subscriber whose consumer begins with a snapshot.
func NewSubscriber(employers ...string) mirror.Subscriber {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails, says crypto/rand
	id := "sub_" + hex.EncodeToString(raw)
	return mirror.Subscriber{
		ID: id, Name: "A board", Employers: employers, Generation: 1, Replay: 1, Start: mirror.Start{Kind: mirror.StartSnapshot},
	}
}

var errUnsure = errors.New("nobody knows")

// Unsure has logins left without an answer, as long as it is true.
func (g *Guarded) Unsure(is bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unsure = nil
	if is {
		g.unsure = errUnsure
	}
}

func (g *Guarded) admit(_ context.Context, l mirror.Login) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.unsure != nil {
		return g.unsure
	}
	if password, known := g.boards[l.User]; !known || password != l.Password {
		return mirror.ErrDenied
	}
	return nil
}
