package ashby

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is all that a Secret shows of itself.
const redacted = "[redacted]"

// Secret is an API key or a webhook's secret token. Whatever prints, logs or encodes it gets "[redacted]"; Reveal is
// the only way to its content. Two things cannot be caught here: package fmt calls no methods on unexported struct
// fields, so keep a Secret in an exported field, a variable or a closure; and encoding/json writes map keys of a string
// type as they are, so never key a map by one.
type Secret string

// Reveal returns the content. Call it where the secret is used, and nowhere earlier.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// GoString returns "[redacted]", for %#v.
func (s Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb, %x and %d among them, which would not call String.
func (s Secret) Format(f fmt.State, _ rune) {
	// A failed write is the printer's affair; Format cannot report it.
	_, _ = io.WriteString(f, redacted)
}

// MarshalText returns "[redacted]", for XML, YAML and other encodings of text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "[redacted]" as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue returns "[redacted]", for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
