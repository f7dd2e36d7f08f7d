package gateway

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// login tries to log in as the gateway's callout would.
func (b *bundle) login(user, password string) error {
	return b.logins.admit(b.t.Context(), mirror.Login{User: user, Password: password, Host: "192.0.2.7"})
}

func (b *bundle) lookups() int {
	b.boards.mu.Lock()
	defer b.boards.mu.Unlock()
	return b.boards.lookups
}

func TestTheGatewayAnswersLogins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	eventually(t, "logins are answered", func() bool {
		b.boards.mu.Lock()
		defer b.boards.mu.Unlock()
		return b.boards.admit != nil && b.boards.issuer == issuer
	})
}

func TestWhoMayLogIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.subscribe(map[string]any{"name": "x"})
	other := b.subscribe(map[string]any{"name": "y"})
	if err := b.login(s.User, s.Password); err != nil {
		t.Error(err)
	}
	for name, who := range map[string][2]string{
		"wrong password": {s.User, s.Password + "x"}, "no password": {s.User, ""}, "another's": {s.User, other.Password},
		"no generation": {s.ID, s.Password}, "next generation": {s.ID + "-2", s.Password}, "zero": {s.ID + "-0", s.Password},
		"padded": {s.ID + "-01", s.Password}, "nobody": {"", ""}, "admin": {"admin", s.Password},
		"a wildcard": {"sub_*-1", s.Password}, "upper case": {strings.ToUpper(s.User), s.Password},
		"unknown": {"sub_" + strings.Repeat("0", 32) + "-1", s.Password},
	} {
		if err := b.login(who[0], who[1]); !errors.Is(err, mirror.ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
		if who[1] != "" && strings.Contains(b.logs.String(), who[1]) {
			t.Errorf("%s: the password is in the log", name)
		}
	}
	r := b.change("POST", s.ID+"/rotate", nil)
	if err := b.login(s.User, s.Password); !errors.Is(err, mirror.ErrDenied) {
		t.Errorf("after the rotation, with the old: %v", err)
	}
	if err := b.login(r.User, r.Password); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
	b.change("DELETE", s.ID, nil)
	if err := b.login(r.User, r.Password); !errors.Is(err, mirror.ErrDenied) {
		t.Errorf("after the revocation: %v", err)
	}
	for _, line := range []string{
		`ashbridge_gateway_board_logins_total{outcome="admitted"} 2`, `ashbridge_gateway_board_logins_total{outcome="wrong_password"} 3`,
		`ashbridge_gateway_board_logins_total{outcome="unknown_user"} 11`, `ashbridge_gateway_board_logins_total{outcome="unavailable"} 0`,
	} {
		if !counter(t, b, line) {
			t.Errorf("no %s", line)
		}
	}
	if !strings.Contains(b.logs.String(), "192.0.2.7") {
		t.Error("the host is not in the log")
	}
}

func TestLoginsAreRememberedForAWhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.subscribe(map[string]any{"name": "x"})
	admitted := func(want bool, lookups int, when string) {
		t.Helper()
		before := b.lookups()
		if err := b.login(s.User, s.Password); (err == nil) != want || b.lookups()-before != lookups {
			t.Errorf("%s: %v, %d lookups", when, err, b.lookups()-before)
		}
	}
	admitted(true, 1, "first")
	admitted(true, 0, "fresh")
	// Another gateway revokes it: for the fresh time this one does not know.
	now := b.clock.now()
	revoke := func(at *time.Time) {
		b.boards.set(func() {
			row := b.boards.rows[s.ID]
			row.RevokedAt = at
			b.boards.rows[s.ID] = row
		})
	}
	revoke(&now)
	b.clock.add(loginFresh - time.Second)
	admitted(true, 0, "within the fresh time")
	b.clock.add(time.Second)
	admitted(false, 1, "after it")
	admitted(false, 0, "unknown is remembered")
	revoke(nil)
	b.clock.add(unknownFresh)
	admitted(true, 1, "unknown is forgotten")

	b.boards.set(func() { b.boards.storeDown = mirror.ErrUnavailable })
	b.clock.add(loginFresh)
	admitted(true, 1, "stale, the store is asked")
	admitted(true, 0, "stale, the store rests")
	b.clock.add(recallRest)
	admitted(true, 1, "stale, the store is asked again")
	b.clock.add(loginStale)
	admitted(false, 1, "too stale")
	if err := b.login(s.User, s.Password); err == nil || errors.Is(err, mirror.ErrDenied) {
		t.Errorf("nobody knows, and says %v", err)
	}
	revoke(&now)
	b.boards.set(func() { b.boards.storeDown = nil })
	b.clock.add(recallRest)
	admitted(false, 1, "revoked meanwhile")
	b.boards.set(func() { b.boards.storeDown = mirror.ErrUnavailable })
	b.clock.add(unknownFresh)
	admitted(false, 1, "revoked, and the store is away again")
}

func TestStrangersFillNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range unknownMax + 100 {
		if err := b.login(fmt.Sprintf("sub_%032x-1", i), "x"); !errors.Is(err, mirror.ErrDenied) {
			t.Fatal(err)
		}
	}
	if n := len(b.logins.unknown); n != unknownMax {
		t.Errorf("%d strangers are remembered", n)
	}
	if n := strings.Count(b.logs.String(), "login was refused"); n != 1 {
		t.Errorf("%d lines in no time", n)
	}
	b.clock.add(unknownFresh)
	_ = b.login("sub_"+strings.Repeat("f", 32)+"-1", "x")
	if n := len(b.logins.unknown); n != 1 {
		t.Errorf("%d strangers are remembered for ever", n)
	}
	if !strings.Contains(b.logs.String(), fmt.Sprintf(`"not_logged_before":%d`, unknownMax+99)) {
		t.Error("it is not told how many were not logged")
	}
}
