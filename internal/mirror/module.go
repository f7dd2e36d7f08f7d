package mirror

import "time"

// The states of a module of a connection.
const (
	ModuleActive = "active"
	// ModulePaused: its permission is missing; it is tried again and goes on by itself once the key may read it.
	ModulePaused = "paused"
)

// ModuleState is how a module of a connection stands. The others go on whatever it is.
type ModuleState struct {
	Module string
	// State is ModuleActive or ModulePaused; Reason is a sentence for the employer, empty where active.
	State, Reason string
	Since         time.Time
	// CompleteAt is when everything of the module had been read for the first time; nil until then.
	CompleteAt *time.Time
}
