package bus

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// What the server is told of a board that may come in: its own consumer and inboxes, for about an hour, and nothing else.
func TestWhatABoardIsAllowed(t *testing.T) {
	t.Parallel()
	seed, public, err := NewIssuer()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := issuerOf(seed)
	if err != nil {
		t.Fatal(err)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	nkey, _ := user.PublicKey()
	request := jwt.NewAuthorizationRequestClaims(public)
	request.UserNkey, request.Server.ID = nkey, "NSERVER"
	answer := func(user string, denied error) *jwt.AuthorizationResponseClaims {
		t.Helper()
		token, err := loginAnswer(pair, request, user, denied)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := jwt.DecodeAuthorizationResponseClaims(token)
		if err != nil {
			t.Fatal(err)
		}
		return claims
	}
	const name = "sub_0123456789abcdef0123456789abcdef-3"
	admitted := answer(name, nil)
	claims, err := jwt.DecodeUserClaims(admitted.Jwt)
	if err != nil {
		t.Fatal(err)
	}
	ends := time.Until(time.Unix(claims.Expires, 0))
	if admitted.Issuer != public || claims.Issuer != public || claims.Subject != nkey || claims.Name != name ||
		claims.Audience != "BOARDS" || ends < sessionMin-time.Minute || ends > sessionMax {
		t.Errorf("%+v", claims)
	}
	publish, subscribe := boardPermissions(name)
	if !slices.Equal(claims.Pub.Allow, jwt.StringList(publish)) || !slices.Equal(claims.Sub.Allow, jwt.StringList(subscribe)) ||
		len(publish) != 4 || len(subscribe) != 1 || claims.Resp != nil {
		t.Errorf("%+v", claims.Permissions)
	}
	if denied := answer(name, mirror.ErrDenied); denied.Jwt != "" || denied.Error == "" {
		t.Errorf("denied with %+v", denied)
	}
	// Whatever a store may hold, a user's name must not widen what he may do.
	for _, odd := range []string{"*", "a.>", "a b", ">", "sub_1.2"} {
		if _, err := loginAnswer(pair, request, odd, nil); err == nil {
			t.Errorf("%q was let in", odd)
		}
	}
	if _, err := loginAnswer(pair, request, "", nil); err == nil || errors.Is(err, mirror.ErrDenied) {
		t.Errorf("nobody was let in: %v", err)
	}
}
