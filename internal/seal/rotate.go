package seal

import (
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/bebitcoiner/ashbridge/internal/durable"
)

// WriteInPlace has changes written into the file instead of exchanging it, for containers that have it mounted by itself and
// would go on to see the old one. It is called before the keyset is used.
func (k *Keyset) WriteInPlace() { k.inPlace = true }

// AddKey adds a fresh key to the file, for opening alone, so that every process has it before something is sealed with it.
func (k *Keyset) AddKey() (KeyID, error) {
	var added uint32
	err := k.edit("adding a key to", func(m *keyset.Manager, _ Keys) (err error) {
		added, err = m.Add(aead.AES256GCMKeyTemplate())
		return err
	})
	return KeyID(added), err
}

// SealWith makes a key of the file the one that seals.
func (k *Keyset) SealWith(id KeyID) error {
	return k.edit("choosing the key of", func(m *keyset.Manager, _ Keys) error { return m.SetPrimary(uint32(id)) })
}

// Retire removes from the file all keys but the one that seals, which must be keep. What is sealed with the others does
// not open any more. It returns those that it removed.
func (k *Keyset) Retire(keep KeyID) ([]KeyID, error) {
	var removed []KeyID
	err := k.edit("removing old keys from", func(m *keyset.Manager, present Keys) error {
		if present.Sealing != keep {
			return fmt.Errorf("it seals with key %d, not with %d", present.Sealing, keep)
		}
		removed = nil
		for _, id := range present.All {
			if id == keep {
				continue
			}
			if err := m.Delete(uint32(id)); err != nil {
				return err
			}
			removed = append(removed, id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return removed, nil
}

// edit changes the keys for sealing in the file, at once or not at all, and takes them. The fingerprint's key stays.
func (k *Keyset) edit(doing string, change func(m *keyset.Manager, present Keys) error) error {
	wrap := func(err error) error { return fmt.Errorf("%s the keyset %s: %w", doing, k.path, err) }
	unlock, err := lockRotation(k.path)
	if err != nil {
		return err
	}
	defer unlock()
	// The file is read again, since another process may have changed it after this one read it.
	present, _, err := read(k.path)
	if err != nil {
		return err
	}
	if err := k.keys.Load().mayBecome(present, KeyID(k.required.Load())); err != nil {
		return wrap(err)
	}
	manager := keyset.NewManagerFromHandle(present.sealing)
	if err := change(manager, present.names); err != nil {
		return wrap(err)
	}
	sealing, err := manager.Handle()
	if err != nil {
		return wrap(err)
	}
	changed, err := assemble(present.createdAt, sealing, present.fingerprint)
	if err != nil {
		return wrap(err)
	}
	data, err := changed.marshal()
	if err != nil {
		return wrap(err)
	}
	put := durable.Replace
	if k.inPlace {
		put = durable.Overwrite
	}
	if err := put(k.path, data); err != nil {
		return wrap(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.take(changed, version{})
	return nil
}
