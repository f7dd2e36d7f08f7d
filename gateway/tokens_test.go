package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// token makes a token of a role.
func (b *bundle) token(role mirror.Role) tokenJSON {
	b.t.Helper()
	return b.makeToken(map[string]any{"name": "a " + string(role), "role": role})
}

func (b *bundle) makeToken(body map[string]any) tokenJSON {
	b.t.Helper()
	a := b.call(request{method: "POST", path: "/v1/tokens", body: body})
	if a.status != http.StatusCreated {
		b.t.Fatalf("%d %s", a.status, a.body)
	}
	var made tokenJSON
	a.into(b.t, &made)
	return made
}

// as calls GET /v1/whoami with a token.
func (b *bundle) as(token string) answer {
	b.t.Helper()
	return b.call(request{method: "GET", path: "/v1/whoami", header: map[string]string{"Authorization": "Bearer " + token}})
}

func TestTokensAreMadeListedAndRevoked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ops := b.token(mirror.RoleOperator)
	if !tokenText.MatchString(ops.Token) || !tokenID.MatchString(ops.ID) || !strings.HasPrefix(ops.Token, ops.Hint) || len(ops.Hint) != 14 ||
		ops.CreatedBy != "environment" || ops.LastUsedAt != nil || ops.ExpiresAt != nil || ops.RevokedAt != nil {
		t.Errorf("made %+v", ops)
	}
	hash := sha256.Sum256([]byte(ops.Token))
	if !bytes.Equal(b.store.tokens[0].hash, hash[:]) {
		t.Error("the store has another hash")
	}
	admin := b.token(mirror.RoleAdmin)
	third := b.call(request{
		method: "POST", path: "/v1/tokens", body: map[string]any{"name": "third", "role": "read-only"},
		header: map[string]string{"Authorization": "Bearer " + admin.Token},
	})
	var made tokenJSON
	third.into(t, &made)
	if third.header.Get("Location") != "/v1/tokens/"+made.ID || made.CreatedBy != "a admin ("+admin.ID+")" {
		t.Errorf("%v %+v", third.header, made)
	}

	var who whoamiJSON
	b.as(ops.Token).into(t, &who)
	if who != (whoamiJSON{ops.ID, "a operator", mirror.RoleOperator}) {
		t.Errorf("I am %+v", who)
	}
	b.as(adminToken).into(t, &who)
	if who != (whoamiJSON{"environment", "environment", mirror.RoleAdmin}) {
		t.Errorf("I am %+v", who)
	}

	var first, second tokensJSON
	page := b.call(request{method: "GET", path: "/v1/tokens?limit=2"})
	page.into(t, &first)
	b.call(request{method: "GET", path: "/v1/tokens?limit=2&cursor=" + *first.NextCursor}).into(t, &second)
	if len(first.Tokens) != 2 || len(second.Tokens) != 1 || second.Tokens[0].ID != made.ID || second.NextCursor != nil {
		t.Errorf("%+v %+v", first, second)
	}
	if strings.Contains(string(page.body), ops.Token) || strings.Contains(string(page.body), admin.Token) {
		t.Errorf("a list shows a token: %s", page.body)
	}

	for range 2 {
		var revoked tokenJSON
		b.call(request{method: "DELETE", path: "/v1/tokens/" + ops.ID}).into(t, &revoked)
		if revoked.RevokedAt == nil || revoked.Token != "" {
			t.Errorf("revoked %+v", revoked)
		}
	}
	if p := b.as(ops.Token).problem(t, 401, "unauthorized"); !strings.Contains(p.Detail, "revoked") {
		t.Errorf("told %q", p.Detail)
	}
	var active, all tokensJSON
	b.call(request{method: "GET", path: "/v1/tokens"}).into(t, &active)
	b.call(request{method: "GET", path: "/v1/tokens?revoked=true"}).into(t, &all)
	if len(active.Tokens) != 2 || len(all.Tokens) != 3 {
		t.Errorf("active %+v, all %+v", active, all)
	}
	for _, id := range []string{"tok_" + strings.Repeat("0", 32), admin.Token, "x"} {
		b.call(request{method: "DELETE", path: "/v1/tokens/" + id}).problem(t, 404, "not-found")
	}
	for _, secret := range []string{ops.Token, admin.Token, made.Token} {
		if strings.Contains(b.logs.String()+exposition(t, b)+fmt.Sprintf("%+v", b.store.actsNow()), secret) {
			t.Errorf("the token %s is in the logs, the metrics or the audit log", secret)
		}
	}
}

func TestTokensAreCheckedBeforeTheyAreMade(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for body, want := range map[string]string{
		`{"role":"admin"}`:                                    "name: it is required",
		`{"name":" ","role":"admin"}`:                         "name: it must have 1 to 200 characters and no control characters",
		`{"name":"x"}`:                                        "role: it is required, and must be one of: admin, operator, read-only, connect-only",
		`{"name":"x","role":"root"}`:                          "role: it must be one of: admin, operator, read-only, connect-only",
		`{"name":"x","role":"admin","expires_at":"tomorrow"}`: "expires_at: it must be a time such as 2027-01-31T00:00:00Z, or be left out for never",
		`{"name":"x","role":"admin","expires_at":"2026-11-23T10:00:00Z"}`: "expires_at: it must be in the future",
		`{"name":" Environment","role":"admin"}`:                          "name: it must not be environment, as the token of the configuration is called",
		`{"name":"x","role":"admin","token":"ash_api_mine"}`:              "token: there is no such field; there are name, role, expires_at",
	} {
		p := b.call(request{method: "POST", path: "/v1/tokens", body: []byte(body)}).problem(t, 400, "invalid-request")
		if len(p.Errors) != 1 || p.Errors[0].Field+": "+p.Errors[0].Detail != want {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
	b.token(mirror.RoleAdmin)
	b.call(request{method: "POST", path: "/v1/tokens", body: map[string]any{"name": "a admin", "role": "read-only"}}).
		problem(t, 409, "duplicate-name")
}

func TestTokensExpire(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.makeToken(map[string]any{"name": "short", "role": "read-only", "expires_at": "2026-11-23T11:00:05+01:00"})
	if a := b.as(made.Token); a.status != http.StatusOK || made.ExpiresAt.Format(time.RFC3339) != "2026-11-23T10:00:05Z" {
		t.Errorf("%d %s, expires %s", a.status, a.body, made.ExpiresAt)
	}
	b.clock.add(5 * time.Second) // it is still in memory
	if p := b.as(made.Token).problem(t, 401, "unauthorized"); !strings.Contains(p.Detail, "expired") {
		t.Errorf("told %q", p.Detail)
	}
	b.makeToken(map[string]any{"name": "short", "role": "read-only"})
}

func TestTokensAreRememberedForAShortTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.token(mirror.RoleReadOnly)
	asked := func() (n int) { b.store.change(func() { n = b.store.asked }); return n }
	for range 3 {
		b.as(made.Token)
	}
	for range 3 {
		b.as(tokenPrefix+strings.Repeat("0", 48)).problem(t, 401, "unauthorized")
	}
	b.as("ash_api_canary-of-another-shape").problem(t, 401, "unauthorized")
	if n := asked(); n != 2 {
		t.Errorf("%d lookups, want one of each that could be a token", n)
	}
	// Revoked through another gateway.
	b.store.change(func() { now := b.store.now(); b.store.tokens[0].RevokedAt = &now })
	b.clock.add(tokenFresh - time.Second)
	if a := b.as(made.Token); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.clock.add(time.Second)
	b.as(made.Token).problem(t, 401, "unauthorized")
}

func TestUseOfATokenIsNotedBesideTheRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.token(mirror.RoleReadOnly)
	uses := func() (n int) { b.store.change(func() { n = b.store.uses }); return n }
	for want := 1; want <= 2; want++ {
		for range 3 {
			b.as(made.Token)
		}
		eventually(t, "the use is noted", func() bool { return uses() == want })
		b.clock.add(usedEvery)
	}
	var list tokensJSON
	b.call(request{method: "GET", path: "/v1/tokens"}).into(t, &list)
	if list.Tokens[0].LastUsedAt == nil || uses() != 2 {
		t.Errorf("%+v, noted %d times", list.Tokens[0], uses())
	}
}

func TestTokensWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made, never := b.token(mirror.RoleReadOnly), b.token(mirror.RoleAdmin)
	b.as(made.Token)
	b.store.setDown(mirror.ErrUnavailable)
	b.clock.add(tokenStale - time.Second)
	for _, token := range []string{adminToken, made.Token} {
		if a := b.as(token); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	// That it is not known is no reason to call it wrong.
	for range failuresAllowed + 1 {
		b.as(never.Token).problem(t, 503, "unavailable")
	}
	if counter(t, b, `ashbridge_gateway_token_failures_total{reason="unavailable"} 21`) {
		b.clock.add(time.Second)
		b.as(made.Token).problem(t, 503, "unavailable")
		return
	}
	t.Error(exposition(t, b))
}

func TestTooManyFailuresAreRefusedByAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	known, fresh := b.token(mirror.RoleReadOnly), b.token(mirror.RoleAdmin)
	b.as(known.Token)
	wrong := func(i int) string { return fmt.Sprintf("%s%048x", tokenPrefix, i) }
	for i := range failuresAllowed {
		b.as(wrong(i)).problem(t, 401, "unauthorized")
	}
	var asked int
	b.store.change(func() { asked = b.store.asked })
	b.clock.add(10500 * time.Millisecond)
	a := b.call(request{method: "GET", path: "/v1/jobs", header: map[string]string{
		"Authorization": "Bearer " + wrong(99), "X-Forwarded-For": "198.51.100.7",
	}})
	a.problem(t, 429, "too-many-failures")
	if after, _ := strconv.Atoi(a.header.Get("Retry-After")); after != 50 {
		t.Errorf("Retry-After %d, want 50", after)
	}
	b.call(request{method: "GET", path: "/v1/jobs", anonymous: true}).problem(t, 429, "too-many-failures")
	// Who sends a right one is not hindered, even at the same address and where this gateway has never seen it.
	for _, token := range []string{adminToken, known.Token, fresh.Token} {
		if a := b.as(token); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	for i := range 50 {
		b.as(wrong(100+i)).problem(t, 429, "too-many-failures")
	}
	var now, listed int
	b.store.change(func() { now, listed = b.store.asked, b.store.listed })
	if now != asked+2 || listed != 1 { // the known one was read too long ago
		t.Errorf("the store was asked %d times more, and %d times for all", now-asked, listed)
	}
	// Nor is anybody at another address.
	if status := b.from("127.0.0.2", fresh.Token); status != http.StatusOK {
		t.Errorf("from another address: %d", status)
	}
	if status := b.from("127.0.0.3", wrong(1)); status != http.StatusUnauthorized {
		t.Errorf("a first failure from another address: %d", status)
	}
	b.clock.add(failureWindow - 10*time.Second)
	b.as(wrong(1)).problem(t, 401, "unauthorized")
	for _, line := range []string{`{reason="limited"} 52`, `{reason="unknown"} 22`, `{reason="missing"} 0`, `{reason="expired"} 0`} {
		if !counter(t, b, "ashbridge_gateway_token_failures_total"+line) {
			t.Errorf("not exported: %s", line)
		}
	}
}

// What is of use by now is known within a second, and what is not is refused.
func TestRightTokensOfALimitedAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	revoked := b.token(mirror.RoleReadOnly)
	b.call(request{method: "DELETE", path: "/v1/tokens/" + revoked.ID})
	for i := range failuresAllowed + 1 {
		b.as(fmt.Sprintf("%s%048x", tokenPrefix, i))
	}
	late := b.token(mirror.RoleAdmin)
	b.as(revoked.Token).problem(t, 429, "too-many-failures")
	b.clock.add(listFresh)
	if a := b.as(late.Token); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	// That the store cannot say it is no reason to call one wrong.
	b.clock.add(listFresh)
	b.store.setDown(mirror.ErrUnavailable)
	var listed int
	for range 3 {
		b.as(revoked.Token).problem(t, 503, "unavailable")
	}
	b.store.change(func() { listed = b.store.listed })
	if listed != 3 {
		t.Errorf("all hashes were read %d times, want once for each second, and no more while the store rests", listed)
	}
}

func TestGuessesOfAnEasyTokenAreBounded(t *testing.T) {
	t.Parallel()
	const easy = "summer-of-2026-summer"
	b := setup(t, func(o *Options) { o.AdminToken = easy })
	eventually(t, "a warning", func() bool {
		return strings.Contains(b.logs.String(), "the token of the configuration may be guessed")
	})
	for range failuresAllowed {
		b.as("guess").problem(t, 401, "unauthorized")
	}
	allowed := 0
	for range 10 {
		if a := b.as(easy); a.status == http.StatusOK {
			allowed++
		} else {
			a.problem(t, 429, "too-many-failures")
		}
	}
	if allowed != guessesASecond {
		t.Errorf("%d guesses in a second were looked at", allowed)
	}
	b.as("ash_api_"+strings.Repeat("0", 48)).problem(t, 429, "too-many-failures")
	if status := b.from("127.0.0.2", easy); status != http.StatusOK {
		t.Errorf("from another address: %d", status)
	}
	b.clock.add(time.Second)
	for range guessesASecond - 1 {
		b.as("guess").problem(t, 429, "too-many-failures")
	}
	if a := b.as(easy); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.as(easy).problem(t, 429, "too-many-failures")
	// Where no more addresses can be counted, all are bounded together.
	b.clock.add(time.Second)
	for i := range failuresKept {
		b.failures.add(strconv.Itoa(i), b.clock.now())
	}
	for range guessesASecond {
		b.from("127.0.0.2", "guess")
	}
	if status := b.from("127.0.0.2", easy); status != http.StatusTooManyRequests {
		t.Errorf("one guess too many of an address that cannot be counted: %d", status)
	}
}

func TestTokensThatLookRandom(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]bool{
		"": true, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": true, "0123456789abcdef": true,
		"passwordpasswordpasswordpassword": true, "5f1d83a09c2be47605f1d83a09c2be47": false,
		"JBSWY3DPEHPK3PXPIU4QK7LMNA": false, "q7Zk1vXo9LrT2bNc8YwEfA==": false, adminToken: false,
	} {
		if got := newGuesses(ashby.Secret(token)).easy; got != want {
			t.Errorf("%q has %.0f bits", token, bitsOf(token))
		}
	}
}

// Whoever sends much that is refused must not fill the disk.
func TestRefusedRequestsAreSummedUpInTheLog(t *testing.T) {
	t.Parallel()
	b := setup(t)
	send := func() {
		for range 30 {
			b.as("wrong") // 401, then 429
			b.call(request{method: "GET", path: "/nothing"})
			b.call(request{method: "GET", path: "/feeds/none/jobs.json", anonymous: true})
			b.call(request{method: "POST", path: "/hooks/ashby/none", body: []byte("{}"), anonymous: true})
		}
	}
	lines := func() int { return strings.Count(b.logs.String(), `"msg":"http request"`) }
	send()
	if n := lines(); n != 4 {
		t.Errorf("%d lines", n)
	}
	b.clock.add(tellEvery)
	send()
	if n := lines(); n != 8 || strings.Count(b.logs.String(), `"not_logged_before":29`) != 2 {
		t.Errorf("%d lines: %s", n, b.logs.String())
	}
	// What is done with a right token has a line each.
	for range 3 {
		b.call(request{method: "GET", path: "/v1/jobs/none"}).problem(t, 404, "not-found")
	}
	if n := lines(); n != 11 {
		t.Errorf("%d lines", n)
	}
}

func TestRefusalsOfATokenAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	reader := b.token(mirror.RoleReadOnly)
	get := func(path string) answer {
		return b.call(request{method: "GET", path: path, header: map[string]string{"Authorization": "Bearer " + reader.Token}})
	}
	before := len(b.store.actsNow())
	for range failuresAllowed {
		get("/v1/tokens").problem(t, 403, "forbidden")
	}
	get("/v1/tokens").problem(t, 429, "too-many-failures")
	if a := get("/v1/jobs"); a.status != http.StatusOK {
		t.Errorf("what it may do: %d %s", a.status, a.body)
	}
	if n := len(b.store.actsNow()) - before; n != failuresAllowed {
		t.Errorf("%d refusals are written down", n)
	}
}

func TestFailuresAreCountedInBoundedMemory(t *testing.T) {
	t.Parallel()
	f, now := newFailures(), time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for i := range failuresKept + 5 {
		f.add(strconv.Itoa(i), now)
	}
	if len(f.count) != failuresKept {
		t.Errorf("%d addresses are kept", len(f.count))
	}
	for range failuresAllowed {
		f.add("late", now) // there is no room for it
	}
	if wait := f.wait("late", now); wait != 0 {
		t.Errorf("refused for %s", wait)
	}
	now = now.Add(failureWindow)
	for i := range failuresAllowed {
		if wait := f.wait("late", now); wait != 0 {
			t.Errorf("refused for %s after %d failures", wait, i)
		}
		f.add("late", now)
	}
	if wait := f.wait("late", now.Add(failureWindow/2)); wait != failureWindow/2 || len(f.count) != 1 {
		t.Errorf("refused for %s, %d addresses are kept", wait, len(f.count))
	}
	if wait := f.wait("late", now.Add(failureWindow)); wait != 0 {
		t.Errorf("refused for %s after the window", wait)
	}
}

// A lookup that began before the revocation brings the token back as it was.
func TestRevocationOvertakesLookups(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC) }
	var k *keyring
	k = newKeyring(Options{Now: now, Tokens: lookupFunc(func() (mirror.APIToken, error) {
		k.revoke("tok_1", now())
		return mirror.APIToken{ID: "tok_1"}, nil
	})})
	for range 2 {
		got, err := k.find(t.Context(), [sha256.Size]byte{1}, false)
		if err != nil || unusable(got, now()) != deniedRevoked {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

type lookupFunc func() (mirror.APIToken, error)

func (f lookupFunc) TokenOf(context.Context, []byte) (mirror.APIToken, error) { return f() }

func (lookupFunc) CreateToken(context.Context, mirror.APIToken, []byte) error { return errBoom }

func (lookupFunc) Tokens(context.Context, mirror.TokenQuery) ([]mirror.APIToken, error) {
	return nil, errBoom
}

func (lookupFunc) RevokeToken(context.Context, string) (mirror.APIToken, error) {
	return mirror.APIToken{}, errBoom
}

func (lookupFunc) TokenHashes(context.Context) ([][]byte, error) { return nil, errBoom }

func (lookupFunc) TokenUsed(context.Context, string) error { return errBoom }
