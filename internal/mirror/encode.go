package mirror

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// errNoObject means that an event's data is no object. The database takes only JSON, so that it was cut on its way.
var errNoObject = errors.New("data is no JSON object")

// envelopeRoom is what an envelope takes beside its data, roughly.
const envelopeRoom = 384

// EncodeEvent writes an event as it travels. The envelope is put around the data as the database has it, byte for byte:
// json.Encoder would read all of it once more, which cost more than the rest of the relay's work.
func EncodeEvent(e events.Event) ([]byte, error) {
	data := bytes.TrimSpace(e.Data)
	if len(data) < 2 || data[0] != '{' || data[len(data)-1] != '}' {
		return nil, fmt.Errorf("encoding event %s: %w", e.ID, errNoObject)
	}
	body := make([]byte, 0, len(data)+envelopeRoom)
	for _, member := range [...]struct{ name, value string }{
		{`{"specversion":`, e.SpecVersion},
		{`,"id":`, e.ID},
		{`,"source":`, e.Source},
		{`,"type":`, string(e.Type)},
		{`,"subject":`, e.Subject},
		{`,"time":`, e.Time.Format(time.RFC3339Nano)},
		{`,"datacontenttype":`, e.DataContentType},
	} {
		body = appendText(append(body, member.name...), member.value)
	}
	return append(append(append(body, `,"data":`...), data...), '}'), nil
}

// appendText writes a text as JSON, without escaping HTML.
func appendText(body []byte, text string) []byte {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			var quoted bytes.Buffer
			enc := json.NewEncoder(&quoted)
			enc.SetEscapeHTML(false)
			_ = enc.Encode(text) // a text always has a form in JSON
			return append(body, bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))...)
		}
	}
	return append(append(append(body, '"'), text...), '"')
}
