// Package seal keeps the secrets of employers unreadable at rest: API keys and webhook secrets are encrypted with
// AES-256-GCM and bound to the connection and the kind of secret they belong to, so that a ciphertext moved to another
// row does not open. The keys lie in one file, a keyset, that only its owner may read. There is no plaintext fallback:
// without a keyset nothing is sealed and nothing is opened.
package seal

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// The kinds of secrets. A previous webhook secret has the same kind as the current one.
const (
	KindAPIKey        = "api_key"
	KindWebhookSecret = "webhook_secret"
	// KindEndpointSecret is what webhooks to an endpoint are signed with. The endpoint's id stands in the connection's place.
	KindEndpointSecret = "endpoint_secret"
)

// fingerprintSize is the length of a fingerprint in bytes.
const fingerprintSize = 32

var (
	// ErrNoKeyset says that there is no file at the path given.
	ErrNoKeyset = errors.New("no keyset")
	// ErrExists says that there is a file already where a keyset was to be created.
	ErrExists = errors.New("keyset exists")
	// ErrInsecure says that others than its owner may read or write the file.
	ErrInsecure = errors.New("keyset is open to others")
	// ErrMalformed says that the file is not a keyset of ours.
	ErrMalformed = errors.New("malformed keyset")
	// ErrRefused says that a ciphertext does not open: it was made by a key that is not in the keyset, for another
	// connection or kind, or it was changed.
	ErrRefused = errors.New("sealed secret does not open")
)

// Keyset seals and opens secrets. It is safe for concurrent use and prints as "[keyset]". It follows its file: where that
// was changed, by a rotation here or by a copy from another host, the new keys are used within seconds, or at once where
// something does not open with those in memory.
type Keyset struct {
	path    string
	inPlace bool
	keys    atomic.Pointer[keys]
	// checked is when the file was last looked at, in nanoseconds since 1970: a process that was paused looks again.
	checked atomic.Int64
	// required is the key that the database requires, 0 if that is not known or there is none; told is when it told so, as
	// checked. isStale says that the file was refused.
	required atomic.Uint32
	told     atomic.Int64
	isStale  atomic.Bool

	mu sync.Mutex
	// seen is the version of the file that was last taken, or refused with fault.
	seen  version
	fault error
}

// Seal encrypts a secret of a connection. Two seals of one secret differ; use Fingerprint to compare. The error is ErrStale
// where the keys in memory are possibly no more, since nothing would open what they seal.
func (k *Keyset) Seal(plain ashby.Secret, connection, kind string) (mirror.Sealed, error) {
	bound, err := associatedData(connection, kind)
	if err != nil {
		return nil, err
	}
	present := k.current()
	if err := k.maySeal(); err != nil {
		return nil, fmt.Errorf("sealing a secret of kind %s: %w", kind, err)
	}
	sealed, err := present.aead.Encrypt([]byte(plain.Reveal()), bound)
	if err != nil {
		return nil, fmt.Errorf("sealing a secret of kind %s: %w", kind, err)
	}
	return sealed, nil
}

// Open decrypts what Seal made for the same connection and kind, with any key of the keyset; else it returns
// ErrRefused.
//
// What does not open may have been sealed with a key that was added to the file since: it is looked at again.
func (k *Keyset) Open(sealed mirror.Sealed, connection, kind string) (ashby.Secret, error) {
	bound, err := associatedData(connection, kind)
	if err != nil {
		return "", err
	}
	// Tink's error says no more than that no key fitted.
	plain, err := k.current().aead.Decrypt(sealed, bound)
	if id, known := SealedWith(sealed); err != nil && known && !k.keys.Load().has(id) {
		if changed, _ := k.Refresh(); changed {
			plain, err = k.keys.Load().aead.Decrypt(sealed, bound)
		}
	}
	if err != nil {
		return "", fmt.Errorf("opening a secret of kind %s of connection %s: %w", kind, connection, ErrRefused)
	}
	return ashby.Secret(plain), nil
}

// Fingerprint is 32 bytes that are the same for the same secret and tell nothing of it to whoever lacks the keyset. Its
// key is never rotated, since stored fingerprints could not be made anew.
func (k *Keyset) Fingerprint(secret ashby.Secret) []byte {
	sum, err := k.keys.Load().prf.ComputePrimaryPRF([]byte(secret.Reveal()), fingerprintSize)
	if err != nil {
		// It fails only for a length that the key cannot give, which parse has ruled out for every keyset.
		return nil
	}
	return sum
}

// Format prints no key, whatever the verb.
func (k *Keyset) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[keyset]")) }

// associatedData binds a ciphertext to its place. A slash would let two places have one name.
func associatedData(connection, kind string) ([]byte, error) {
	if connection == "" || kind == "" || strings.Contains(connection, "/") || strings.Contains(kind, "/") {
		return nil, fmt.Errorf("sealing for connection %q and kind %q: both are needed, without slashes", connection, kind)
	}
	return []byte("ashbridge/v1/" + connection + "/" + kind), nil
}
