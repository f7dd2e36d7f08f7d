package local

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

// Accounts make the server ask who connects, by the accounts and permissions of ops/nats.
type Accounts struct {
	// BoardsIssuer is the public key of whoever says which board may log in.
	BoardsIssuer string
	// Passwords of those who log in with one, by the users' names in package ops/nats.
	Passwords map[string]string
}

// WithCredentials adds a user and its password to a server's address.
func (a Accounts) WithCredentials(address, user string) (string, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("adding credentials to an address: %w", err)
	}
	parsed.User = url.UserPassword(user, a.Passwords[user])
	return parsed.String(), nil
}

// apply puts the accounts into the server's configuration.
func (a Accounts) apply(config *server.Options) error {
	var vars strings.Builder
	set := func(name, value string) { fmt.Fprintf(&vars, "%s: %s\n", name, strconv.Quote(value)) }
	set("BOARDS_ISSUER", a.BoardsIssuer)
	for _, user := range []string{natsconf.UserAdmin, natsconf.UserGateway, natsconf.UserSyncer, natsconf.UserNotifier} {
		if a.Passwords[user] == "" {
			return fmt.Errorf("user %s has no password", user) // an empty one would be taken for right
		}
		set(strings.ToUpper(user)+"_PASSWORD", a.Passwords[user])
	}
	if err := config.ProcessConfigString(vars.String() + natsconf.Accounts); err != nil {
		return fmt.Errorf("reading the accounts: %w", err)
	}
	return nil
}
