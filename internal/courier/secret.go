package courier

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// A secret is shown as its prefix and the base64 of its key, which has 24 to 64 bytes.
const (
	secretPrefix = "whsec_"
	keySize      = 32
	minKeySize   = 24
	maxKeySize   = 64
)

// errSecret: the bytes of a broken secret are in no error.
var errSecret = errors.New("no signing secret")

// NewSecret makes a signing secret.
func NewSecret() ashby.Secret {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails, says crypto/rand
	return ashby.Secret(secretPrefix + base64.StdEncoding.EncodeToString(key))
}

// WrongSecret says what is wrong with a signing secret that somebody gave, empty where nothing is.
func WrongSecret(s ashby.Secret) string {
	if _, err := keyOf(s); err != nil {
		return "it must be whsec_ and the base64 of 24 to 64 random bytes"
	}
	return ""
}

func keyOf(s ashby.Secret) ([]byte, error) {
	text, ok := strings.CutPrefix(s.Reveal(), secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < minKeySize || len(key) > maxKeySize {
		return nil, errSecret
	}
	return key, nil
}
