package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/bebitcoiner/ashbridge/internal/durable"
)

// fileVersion is the version of the file's shape.
const fileVersion = 1

// maxFileSize is far more than a keyset with a thousand keys; a larger file is something else.
const maxFileSize = 1 << 20

// file is the JSON shape of a keyset file. Both keysets are Tink's own JSON, in clear: the file's mode protects them.
type file struct {
	Version     int             `json:"version"`
	CreatedAt   time.Time       `json:"created_at"`
	AEAD        json.RawMessage `json:"aead"`
	Fingerprint json.RawMessage `json:"fingerprint"`
}

// keys are a file's keys, ready for use.
type keys struct {
	createdAt            time.Time
	names                Keys
	sealing, fingerprint *keyset.Handle
	aead                 tink.AEAD
	prf                  *prf.Set
}

// Load reads the keyset at path. It returns ErrNoKeyset when there is none, ErrInsecure when the file's mode lets
// others in and ErrMalformed when it is not a keyset; each message says what to do.
func Load(path string) (*Keyset, error) {
	loaded, seen, err := read(path)
	if err != nil {
		return nil, err
	}
	k := &Keyset{path: path}
	k.take(loaded, seen)
	return k, nil
}

// Create makes a keyset with fresh keys at path, mode 0600, durable before it returns. It never overwrites: a file that
// is there already gives ErrExists, since losing a keyset loses every secret sealed with it.
func Create(path string) (*Keyset, error) {
	made, err := generate()
	if err != nil {
		return nil, fmt.Errorf("making a keyset: %w", err)
	}
	data, err := made.marshal()
	if err != nil {
		return nil, fmt.Errorf("making a keyset: %w", err)
	}
	err = durable.Create(path, data)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("creating the keyset %s: %w; it is never overwritten, since every secret sealed with it "+
			"would be lost", path, ErrExists)
	}
	if err != nil {
		return nil, fmt.Errorf("creating the keyset: %w", err)
	}
	k := &Keyset{path: path}
	k.take(made, version{})
	return k, nil
}

// LoadOrCreate loads the keyset at path and makes one where there is none.
func LoadOrCreate(path string) (*Keyset, error) {
	k, err := Load(path)
	if !errors.Is(err, ErrNoKeyset) {
		return k, err
	}
	k, err = Create(path)
	if errors.Is(err, ErrExists) {
		// Another process was quicker.
		return Load(path)
	}
	return k, err
}

// read reads the keys in a file, and which version of the file that was.
func read(path string) (*keys, version, error) {
	data, seen, err := readPrivate(path)
	if err != nil {
		return nil, version{}, err
	}
	parsed, err := parse(data)
	if _, nextErr := os.Stat(durable.NextName(path)); err != nil && nextErr == nil {
		return nil, version{}, fmt.Errorf("reading the keyset %s: %w: it is being written, or that was broken off: then run `cp %s %s`",
			path, err, durable.NextName(path), path)
	}
	if err != nil {
		return nil, version{}, fmt.Errorf("reading the keyset %s: %w", path, err)
	}
	return parsed, seen, nil
}

// generate makes fresh keys.
func generate() (*keys, error) {
	sealing, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	fingerprint, err := keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return nil, err
	}
	return assemble(time.Now().UTC().Truncate(time.Second), sealing, fingerprint)
}

// assemble makes the keys usable, and tries the fingerprint key so that Fingerprint cannot fail later.
func assemble(createdAt time.Time, sealing, fingerprint *keyset.Handle) (*keys, error) {
	encrypter, err := aead.New(sealing)
	if err != nil {
		return nil, err
	}
	set, err := prf.NewPRFSet(fingerprint)
	if err != nil {
		return nil, err
	}
	if _, err := set.ComputePrimaryPRF(nil, fingerprintSize); err != nil {
		return nil, err
	}
	return &keys{createdAt: createdAt, names: idsOf(sealing), sealing: sealing, fingerprint: fingerprint, aead: encrypter, prf: set}, nil
}

// parse reads a file's content.
func parse(data []byte) (*keys, error) {
	var f file
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		// The decoder's message could quote the file.
		return nil, fmt.Errorf("%w: it is not the JSON that this program writes", ErrMalformed)
	}
	if f.Version != fileVersion {
		return nil, fmt.Errorf("%w: its version is %d and this program reads version %d", ErrMalformed, f.Version, fileVersion)
	}
	sealing, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(f.AEAD)))
	if err != nil {
		return nil, fmt.Errorf("%w: its keys for sealing cannot be read", ErrMalformed)
	}
	fingerprint, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(f.Fingerprint)))
	if err != nil {
		return nil, fmt.Errorf("%w: its key for fingerprints cannot be read", ErrMalformed)
	}
	k, err := assemble(f.CreatedAt, sealing, fingerprint)
	if err != nil {
		return nil, fmt.Errorf("%w: its keys are of another kind", ErrMalformed)
	}
	return k, nil
}

// marshal is the file's content.
func (k *keys) marshal() ([]byte, error) {
	f := file{Version: fileVersion, CreatedAt: k.createdAt}
	for handle, into := range map[*keyset.Handle]*json.RawMessage{k.sealing: &f.AEAD, k.fingerprint: &f.Fingerprint} {
		var text bytes.Buffer
		if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&text)); err != nil {
			return nil, err
		}
		*into = text.Bytes()
	}
	data, err := json.MarshalIndent(f, "", "  ")
	return append(data, '\n'), err
}
