package postgres_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func hashByte(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func (b *bundle) tokens(revoked bool) map[string]mirror.APIToken {
	b.Helper()
	page, err := b.g.Tokens(b.Context(), mirror.TokenQuery{Revoked: revoked, Limit: 200})
	b.must(err)
	out := map[string]mirror.APIToken{}
	for _, t := range page {
		out[t.ID] = t
	}
	return out
}

func TestTokens(t *testing.T) {
	b := setup(t)
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	want := mirror.APIToken{
		ID: "tok_1", Name: "deploy", Role: mirror.RoleConnectOnly, Hint: "ash_api_1", CreatedBy: "environment",
		CreatedAt: expires.Add(-2 * time.Hour), ExpiresAt: &expires,
	}
	b.must(b.g.CreateToken(t.Context(), want, hashByte(1)))
	got, err := b.g.TokenOf(t.Context(), hashByte(1))
	b.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := b.g.TokenOf(t.Context(), hashByte(2)); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	twin := mirror.APIToken{ID: "tok_2", Name: "deploy", Role: mirror.RoleAdmin}
	if err := b.g.CreateToken(t.Context(), twin, hashByte(2)); !errors.Is(err, mirror.ErrDuplicateName) {
		t.Errorf("same name: %v", err)
	}
	revoked, err := b.g.RevokeToken(t.Context(), "tok_1")
	if err != nil || revoked.RevokedAt == nil {
		t.Fatalf("revoked %+v, %v", revoked, err)
	}
	if again, err := b.g.RevokeToken(t.Context(), "tok_1"); err != nil || !again.RevokedAt.Equal(*revoked.RevokedAt) {
		t.Errorf("revoked again %+v, %v", again, err)
	}
	if _, err := b.g.RevokeToken(t.Context(), "tok_9"); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("never there: %v", err)
	}
	if got, err := b.g.TokenOf(t.Context(), hashByte(1)); err != nil || got.RevokedAt == nil {
		t.Errorf("looked up %+v, %v", got, err)
	}
	// Its name is free now, as is that of one that expired.
	b.must(b.g.CreateToken(t.Context(), twin, hashByte(2)))
	b.exec(`UPDATE api_tokens SET expires_at = clock_timestamp() - INTERVAL '1 minute' WHERE id = 'tok_2'`)
	b.must(b.g.CreateToken(t.Context(), mirror.APIToken{ID: "tok_3", Name: "deploy", Role: mirror.RoleAdmin}, hashByte(3)))
	active, all := b.tokens(false), b.tokens(true)
	if len(active) != 1 || active["tok_3"].Name != "deploy" || len(all) != 3 || !all["tok_2"].RevokedAt.Equal(*all["tok_2"].ExpiresAt) {
		t.Errorf("active %+v, all %+v", active, all)
	}
	soon := time.Now().Add(time.Hour)
	b.must(b.g.CreateToken(t.Context(), mirror.APIToken{ID: "tok_4", Name: "soon", Role: mirror.RoleAdmin, ExpiresAt: &soon}, hashByte(4)))
	b.must(b.g.CreateToken(t.Context(), mirror.APIToken{ID: "tok_5", Name: "late", Role: mirror.RoleAdmin, ExpiresAt: &soon}, hashByte(5)))
	b.exec(`UPDATE api_tokens SET expires_at = clock_timestamp() WHERE id = 'tok_5'`)
	hashes, err := b.g.TokenHashes(t.Context())
	b.must(err)
	slices.SortFunc(hashes, bytes.Compare)
	if diff := cmp.Diff([][]byte{hashByte(3), hashByte(4)}, hashes); diff != "" {
		t.Errorf("of use: %s", diff)
	}
	page, err := b.g.Tokens(t.Context(), mirror.TokenQuery{Revoked: true, After: "tok_1", Limit: 1})
	if err != nil || len(page) != 1 || page[0].ID != "tok_2" {
		t.Errorf("second page %+v, %v", page, err)
	}
}

func TestUseOfATokenIsNotedOnceAMinute(t *testing.T) {
	b := setup(t)
	b.must(b.g.CreateToken(t.Context(), mirror.APIToken{ID: "tok_1", Name: "x", Role: mirror.RoleAdmin}, hashByte(1)))
	use := func(set string) bool {
		t.Helper()
		b.exec(`UPDATE api_tokens SET last_used_at = ` + set)
		before := b.tokens(false)["tok_1"].LastUsedAt
		b.must(b.g.TokenUsed(t.Context(), "tok_1"))
		after := b.tokens(false)["tok_1"].LastUsedAt
		return before == nil || !after.Equal(*before)
	}
	if !use(`NULL`) || use(`clock_timestamp() - INTERVAL '50 seconds'`) || !use(`clock_timestamp() - INTERVAL '61 seconds'`) {
		t.Error("noted too often or too seldom")
	}
}

func TestMaintainForgetsTokensThatAreLongOfNoUse(t *testing.T) {
	b := setup(t)
	for i, id := range []string{"expired", "revoked", "late", "forever"} {
		b.must(b.g.CreateToken(t.Context(), mirror.APIToken{ID: id, Name: id, Role: mirror.RoleAdmin}, hashByte(byte(i))))
	}
	b.exec(`UPDATE api_tokens SET expires_at = now() - INTERVAL '401 days' WHERE id = 'expired'`)
	b.exec(`UPDATE api_tokens SET revoked_at = now() - INTERVAL '401 days', expires_at = now() WHERE id = 'revoked'`)
	b.exec(`UPDATE api_tokens SET revoked_at = now() - INTERVAL '399 days' WHERE id = 'late'`)
	b.must(b.db.Maintain(t.Context()))
	left := b.tokens(true)
	if _, ok := left["late"]; len(left) != 2 || !ok {
		t.Errorf("left %v", left)
	}
}
