package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/local"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

// natsSecrets are those of the embedded NATS, as they are kept in the data folder.
type natsSecrets struct {
	// Issuer is the seed of the key that lets boards in.
	Issuer string `json:"issuer"`
	// Passwords are those of the users in ops/nats/accounts.conf.
	Passwords map[string]string `json:"passwords"`
}

// loadOrMakeNATSSecrets reads the secrets in the file, or makes some that only this user can read.
func loadOrMakeNATSSecrets(path string) (natsSecrets, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return makeNATSSecrets(path)
	}
	if err != nil {
		return natsSecrets{}, fmt.Errorf("reading NATS's passwords: %w", err)
	}
	var s natsSecrets
	if json.Unmarshal(raw, &s) != nil || s.Issuer == "" || s.Passwords[natsconf.UserAdmin] == "" {
		// Where boards exist, another issuer and other passwords change nothing for them.
		return natsSecrets{}, fmt.Errorf("%s cannot be read: remove it and new passwords are made", path)
	}
	return s, nil
}

func makeNATSSecrets(path string) (natsSecrets, error) {
	seed, _, err := bus.NewIssuer()
	if err != nil {
		return natsSecrets{}, err
	}
	s := natsSecrets{Issuer: seed, Passwords: map[string]string{}}
	for _, user := range []string{natsconf.UserAdmin, natsconf.UserGateway, natsconf.UserSyncer, natsconf.UserNotifier} {
		s.Passwords[user] = "ash_nats_" + strings.ToLower(rand.Text())
	}
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return natsSecrets{}, fmt.Errorf("keeping NATS's passwords: %w", err)
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o600); err != nil {
		return natsSecrets{}, fmt.Errorf("keeping NATS's passwords: %w", err)
	}
	return s, nil
}

// accounts are what the server is started with; an issuer that is configured takes the place of the one that is kept.
func (s *natsSecrets) accounts(configured ashby.Secret) (*local.Accounts, error) {
	if configured != "" {
		s.Issuer = configured.Reveal()
	}
	public, err := bus.IssuerKey(s.Issuer)
	if err != nil {
		return nil, err
	}
	return &local.Accounts{BoardsIssuer: public, Passwords: s.Passwords}, nil
}

// keepAdminVariables writes what the command nats takes from its environment to log in as the administrator, for
// `(. <path>; nats …)`: on a command line or a terminal, a password would be seen by others.
func keepAdminVariables(path, url, password string) error {
	line := fmt.Sprintf("export NATS_URL='%s' NATS_USER='%s' NATS_PASSWORD='%s'\n", url, natsconf.UserAdmin, password)
	if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
		return fmt.Errorf("keeping NATS's address and password: %w", err)
	}
	return nil
}
