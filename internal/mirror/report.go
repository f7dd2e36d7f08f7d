package mirror

// PermissionState says how a permission of the key compares with what is needed.
type PermissionState string

// The states of a permission.
const (
	Granted PermissionState = "granted" // needed and there
	Missing PermissionState = "missing" // needed and not there
	Excess  PermissionState = "excess"  // there and not needed
	Unknown PermissionState = "unknown" // the key may not say (it lacks API Keys read)
)

// Report is what a probe of an API key found.
type Report struct {
	// OK says that the key suffices to connect: it reads jobs. A module asked for whose permission is missing pauses, and
	// is no reason to refuse the rest.
	OK bool `json:"ok"`
	// KeyTitle is the key's name in Ashby, empty where the key may not say.
	KeyTitle string `json:"key_title"`
	// ProbedBy is the Ashby method whose answer the report rests on: "apiKey.info" or "jobPosting.list".
	ProbedBy    string       `json:"probed_by"`
	Permissions []Permission `json:"permissions"`
	// Advice are sentences for the employer, most important first. The last one is always there: it names the settings
	// that no answer of Ashby's shows.
	Advice []string `json:"advice"`
}

// Permission is one line of a report.
type Permission struct {
	// Module is Ashby's name of the module, as its key page shows it: "Jobs", "Organization", "API Keys" …
	Module string `json:"module"`
	// Access is "read" or "write".
	Access string `json:"access"`
	// Scope is Ashby's spelling: "jobs:read".
	Scope string          `json:"scope"`
	State PermissionState `json:"state"`
	// Required says that a module asked for is about it: without it that module pauses, and if it is the module jobs,
	// nothing works. Others are recommended.
	Required bool `json:"required"`
	// Why says what it is for, or why it is too much.
	Why string `json:"why"`
	// Fix is the click path in Ashby; empty where nothing is to be done.
	Fix string `json:"fix"`
}
