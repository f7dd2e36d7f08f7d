package bus

import (
	"errors"
	"fmt"

	"github.com/nats-io/nkeys"
)

// NewIssuer makes the key with which gateways sign which board may log in: the seed for them, the public key for the
// server's configuration.
func NewIssuer() (seed, public string, err error) {
	pair, err := nkeys.CreateAccount()
	if err != nil {
		return "", "", fmt.Errorf("making an issuer: %w", err)
	}
	raw, err := pair.Seed()
	if err != nil {
		return "", "", fmt.Errorf("making an issuer: %w", err)
	}
	if public, err = pair.PublicKey(); err != nil {
		return "", "", fmt.Errorf("making an issuer: %w", err)
	}
	return string(raw), public, nil
}

// IssuerKey returns the public key of an issuer's seed.
func IssuerKey(seed string) (public string, err error) {
	pair, err := issuerOf(seed)
	if err != nil {
		return "", err
	}
	return pair.PublicKey()
}

func issuerOf(seed string) (nkeys.KeyPair, error) {
	prefix, _, err := nkeys.DecodeSeed([]byte(seed))
	if err != nil || prefix != nkeys.PrefixByteAccount {
		// The library's error adds nothing, and must not show the seed.
		return nil, errors.New("issuer is not the seed of an account, which begins with SA")
	}
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return nil, errors.New("issuer is not the seed of an account, which begins with SA")
	}
	return pair, nil
}
