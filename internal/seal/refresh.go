package seal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// checkEvery is how often the file is looked at while the keyset is used.
const checkEvery = 5 * time.Second

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
func (k *Keyset) Keys() Keys { return k.keys.Load().ids() }

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
// keys in memory as they are.
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
	if k.fault = k.keys.Load().mayBecome(loaded); k.fault != nil {
		k.fault = fmt.Errorf("taking the keyset %s: %w", k.path, k.fault)
		return false, k.fault
	}
	before := k.keys.Swap(loaded).ids()
	now := loaded.ids()
	return before.Sealing != now.Sealing || !slices.Equal(before.All, now.All), nil
}

// take makes keys those that are used.
func (k *Keyset) take(loaded *keys, seen version) {
	k.keys.Store(loaded)
	k.checked.Store(time.Now().UnixNano())
	k.seen, k.fault = seen, nil
}

// ids are the keys' names.
func (k *keys) ids() Keys {
	info := k.sealing.KeysetInfo()
	ids := Keys{Sealing: KeyID(info.GetPrimaryKeyId())}
	for _, key := range info.GetKeyInfo() {
		ids.All = append(ids.All, KeyID(key.GetKeyId()))
	}
	return ids
}

func (k *keys) has(id KeyID) bool { return k.ids().Has(id) }

// mayBecome refuses an older copy: keys without the one that seals here, and without a newer one.
func (k *keys) mayBecome(next *keys) error {
	if k.fingerprint.KeysetInfo().GetPrimaryKeyId() != next.fingerprint.KeysetInfo().GetPrimaryKeyId() {
		return fmt.Errorf("%w: it is another installation's", ErrStale)
	}
	mine, theirs := k.ids(), next.ids()
	from := slices.Index(mine.All, mine.Sealing)
	for _, id := range theirs.All {
		if at := slices.Index(mine.All, id); at < 0 || at >= from {
			return nil
		}
	}
	return fmt.Errorf("%w: it lacks key %d, which seals here: copy the present file to this place", ErrStale, mine.Sealing)
}
