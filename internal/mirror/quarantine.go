package mirror

import "time"

// BadRow is a row of Ashby's that could not be read, on its way into quarantine.
type BadRow struct {
	Kind string
	// ID is the object's, or "row-" and a hash of the row where it shows none.
	ID string
	// Reason says what is wrong with it, without any of its contents. Empty keeps reason and shape of a row that is in
	// quarantine already.
	Reason string
	// Shape gives the JSON type of each member of the row.
	Shape map[string]string
}

// Quarantined is a row in quarantine. It leaves when it is read well, or when Ashby no longer shows it.
type Quarantined struct {
	BadRow
	FirstSeenAt, LastSeenAt time.Time
	Times                   int
}
