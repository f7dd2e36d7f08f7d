package local

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/bcrypt"

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
		// Hashed, since the server warns of plain ones; at the least cost, since these are no passwords that people chose.
		hash, err := bcrypt.GenerateFromPassword([]byte(a.Passwords[user]), bcrypt.MinCost)
		if err != nil {
			return fmt.Errorf("hashing the password of %s: %w", user, err)
		}
		set(strings.ToUpper(user)+"_PASSWORD", string(hash))
	}
	if err := config.ProcessConfigString(vars.String() + natsconf.Accounts); err != nil {
		return fmt.Errorf("reading the accounts: %w", err)
	}
	return nil
}

// adoptStreams gives the account of the services the streams of a server that knew no accounts: SPILL may hold webhooks that
// were answered 200. A folder is renamed, or nothing is done.
func adoptStreams(dir string) error {
	before := filepath.Join(dir, server.JetStreamStoreDir, server.DEFAULT_GLOBAL_ACCOUNT)
	after := filepath.Join(dir, server.JetStreamStoreDir, natsconf.AccountServices)
	if _, err := os.Stat(after); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(before, after); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("moving the streams into their account: %w", err)
	}
	return nil
}
