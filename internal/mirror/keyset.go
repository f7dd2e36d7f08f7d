package mirror

import "time"

// KeysetHolder is a process that has a keyset in memory.
type KeysetHolder struct {
	// Owner names the process among all, Service and Host for people.
	Owner, Service, Host string
	// Sealing is the id of the key that seals, Keys are those of all that open.
	Sealing uint32
	Keys    []uint32
	// Fault says why the process does not take the keyset's file.
	Fault string
	// Silent is how long ago it was last heard of.
	Silent time.Duration
}

// KeyRotation is a change of the key that seals.
type KeyRotation struct {
	// Key is the id of the new key.
	Key uint32
	// Required is true from when on no process may start that lacks the key; Finished when nothing was left that is sealed
	// with an older one; Retired when the older ones were removed.
	Required, Finished, Retired bool
	// FinishedFor is how long ago it was finished, 0 if it is not.
	FinishedFor time.Duration
}

// SealedPlace is a table in which something is sealed.
type SealedPlace string

// The places.
const (
	SealedSecrets   SealedPlace = "secrets"
	SealedEndpoints SealedPlace = "endpoints"
	SealedRecords   SealedPlace = "records"
)

// SealedPlaces are all tables in which something is sealed.
func SealedPlaces() []SealedPlace {
	return []SealedPlace{SealedSecrets, SealedEndpoints, SealedRecords}
}

// SealedKey finds something sealed within its place. Of secrets it is the connection and the kind; of endpoints the
// endpoint and its column, secret or previous; of records the connection, the kind and the record's id.
type SealedKey [3]string

// SealedRow is something sealed.
type SealedRow struct {
	Key    SealedKey
	Sealed Sealed
}
