package seal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// checkEvery is how often the file is looked at while the keyset is used.
	checkEvery = 5 * time.Second
	// toldFor is for how long what the database requires is known after it told that.
	toldFor = time.Minute
)

// ErrStale says that a keyset file is an older copy, or another installation's: its keys do not open what this process seals.
var ErrStale = errors.New("keyset is not the present one")

// KeyID names a key of a keyset. It is no secret: everything sealed begins with it.
type KeyID uint32

// Keys are the ids of a keyset's keys.
type Keys struct {
	// Sealing is the key that seals from now on.
	Sealing KeyID
	// All are the keys that open, in the order in which they were added.
	All []KeyID
}

// Has says whether the keyset has a key.
func (k Keys) Has(id KeyID) bool { return slices.Contains(k.All, id) }

// prefixSize is how much of what is sealed names the key: a one, and its id.
const prefixSize = 5

// SealedWith is the key that sealed something, by what stands at its beginning.
func SealedWith(sealed mirror.Sealed) (id KeyID, ok bool) {
	if len(sealed) < prefixSize || sealed[0] != 1 {
		return 0, false
	}
	return KeyID(binary.BigEndian.Uint32(sealed[1:prefixSize])), true
}

// Prefix is how everything begins that the key sealed.
func (id KeyID) Prefix() []byte { return binary.BigEndian.AppendUint32([]byte{1}, uint32(id)) }

// Keys are the keys in memory.
func (k *Keyset) Keys() Keys {
	ids := k.keys.Load().names
	return Keys{Sealing: ids.Sealing, All: slices.Clone(ids.All)}
}

// Require tells which key the database requires of every process, 0 for none. A file that was refused is looked at again by
// the next Refresh where that is another key than before: only the database knows which of two files is the older one, where
// they have no key in common.
func (k *Keyset) Require(id KeyID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.told.Store(time.Now().UnixNano())
	if k.required.Swap(uint32(id)) != uint32(id) {
		k.seen = version{}
	}
}

// maySeal refuses to seal with a key that is possibly no more: where the database requires one that is not in memory, or
// where the file is not the present one and the database did not tell lately that the keys in memory are. What such a key
// sealed would be lost. The error is ErrStale.
func (k *Keyset) maySeal() error {
	required := KeyID(k.required.Load())
	if required != 0 && !k.keys.Load().has(required) {
		return fmt.Errorf("%w: key %d is required, and not in memory", ErrStale, required)
	}
	if !k.isStale.Load() || time.Now().UnixNano()-k.told.Load() < int64(toldFor) {
		return nil
	}
	return fmt.Errorf("%w: copy the present file to %s", ErrStale, k.path)
}

// Path is the keyset's file.
func (k *Keyset) Path() string { return k.path }

// current are the keys to work with. Every few seconds, one caller looks whether the file has others.
func (k *Keyset) current() *keys {
	now, checked := time.Now().UnixNano(), k.checked.Load()
	if (now-checked > int64(checkEvery) || now < checked) && k.checked.CompareAndSwap(checked, now) {
		_, _ = k.Refresh() // whoever reports the state of the keyset asks itself
	}
	return k.keys.Load()
}

// Refresh looks at the file and takes its keys where it was changed. A file that cannot be read, or is ErrStale, leaves the
// keys in memory as they are: the key that seals here is never given up for one that is not known to be newer.
func (k *Keyset) Refresh() (changed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.checked.Store(time.Now().UnixNano())
	info, err := os.Stat(k.path)
	if err != nil {
		return false, fmt.Errorf("looking at the keyset: %w", err)
	}
	if versionOf(info) == k.seen {
		return false, k.fault
	}
	loaded, seen, err := read(k.path)
	if err != nil {
		return false, err
	}
	k.seen = seen
	k.fault = k.keys.Load().mayBecome(loaded, KeyID(k.required.Load()))
	k.isStale.Store(k.fault != nil)
	if k.fault != nil {
		k.fault = fmt.Errorf("taking the keyset %s: %w", k.path, k.fault)
		return false, k.fault
	}
	before, now := k.keys.Load().names, loaded.names
	k.take(loaded, seen)
	return before.Sealing != now.Sealing || !slices.Equal(before.All, now.All), nil
}

// take makes keys those that are used.
func (k *Keyset) take(loaded *keys, seen version) {
	k.keys.Store(loaded)
	k.checked.Store(time.Now().UnixNano())
	k.seen, k.fault = seen, nil
	k.isStale.Store(false)
	if !loaded.has(KeyID(k.required.Load())) { // it was that of an earlier rotation; the database tells the next one soon
		k.required.Store(0)
	}
}

// idsOf are the names of a keyset's keys.
func idsOf(sealing *keyset.Handle) Keys {
	info := sealing.KeysetInfo()
	ids := Keys{Sealing: KeyID(info.GetPrimaryKeyId())}
	for _, key := range info.GetKeyInfo() {
		ids.All = append(ids.All, KeyID(key.GetKeyId()))
	}
	return ids
}

func (k *keys) has(id KeyID) bool { return k.names.Has(id) }

// mayBecome refuses keys that are not known to be as new as these: an older copy has neither the key that seals here nor
// one that was added after it, nor the one that the database requires, 0 if that is not known. A key that is not in memory
// proves nothing: it may be one that was retired. The order of a keyset's keys is that in which they were added.
func (k *keys) mayBecome(next *keys, required KeyID) error {
	if k.fingerprint.KeysetInfo().GetPrimaryKeyId() != next.fingerprint.KeysetInfo().GetPrimaryKeyId() {
		return fmt.Errorf("%w: it is another installation's", ErrStale)
	}
	from := slices.Index(k.names.All, k.names.Sealing)
	// One that was added before the key that seals here was required by an earlier rotation.
	if at := slices.Index(k.names.All, required); required != 0 && (at < 0 || at >= from) {
		if next.has(required) {
			return nil
		}
		return fmt.Errorf("%w: it lacks key %d, which the database requires: copy the present file to this place", ErrStale, required)
	}
	for _, id := range k.names.All[from:] {
		if next.has(id) {
			return nil
		}
	}
	return fmt.Errorf("%w: it lacks key %d, which seals here: copy the present file to this place", ErrStale, k.names.Sealing)
}
