package mirror

import "time"

// PassKey names a listing that is read page by page.
type PassKey struct {
	Kind string
	// Variant tells the listings of one kind apart; empty where it has one.
	Variant string
	// Sweep says that the pass is the full reading beside the incremental ones, which finds what is gone.
	Sweep bool
}

// Pass is a reading of a listing and where it stands.
type Pass struct {
	PassKey
	// ParamsHash is that of the parameters it is read with; a pass of another hash is not gone on with.
	ParamsHash []byte
	// Token is the sync token it began with; a pass without one is full.
	Token string
	// Cursor is where the next page begins.
	Cursor    string
	StartedAt time.Time
	// Pages and Rows count what was read and applied, Bad the rows that could not be read.
	Pages, Rows, Bad int
	// ReadAll says that no page is left.
	ReadAll bool
}

// IsFull says that the pass shows everything there is.
func (p Pass) IsFull() bool { return p.Token == "" }

// PassStep notes with a page how far its pass is.
type PassStep struct {
	// Pass is as it stands after the page.
	Pass Pass
	// Seen are the ids on the page, to be remembered until the pass is done; nil for incremental passes.
	Seen []string
	// Done forgets the pass and what it saw. With Swept the end is noted as that of a full reading.
	Done  bool
	Swept *Swept
}

// Swept is how a full reading ended.
type Swept struct {
	Kind, Variant string
	FinishedAt    time.Time
	// Absent are the records that it lacked and that are not confirmed to be gone.
	Absent []string
}

// StaleParent is a parent that changed since its children of a kind were read.
type StaleParent struct {
	// Kind is the children's.
	Kind, Parent string
	// Mark tells this change from a later one.
	Mark int64
}

// ParentKey asks for the children of a kind to be read.
type ParentKey struct{ Kind, Parent string }
