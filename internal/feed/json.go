package feed

import (
	"encoding/json"
	"io"
	"time"
)

// jsonVersion is the version of the JSON document's shape; it grows by adding alone.
const jsonVersion = "1"

// jsonDocument writes {"version":1,"jobs":[…]}. An item is a job as GET /v1/jobs shows it, without the times that are
// Ashbridge's own.
type jsonDocument struct {
	w     io.Writer
	begun bool
}

func (d *jsonDocument) begin(Channel) error {
	_, err := io.WriteString(d.w, `{"version":`+jsonVersion+`,"jobs":[`)
	return err
}

type jsonItem struct {
	Version   int64     `json:"version"`
	State     string    `json:"state"`
	ChangedAt time.Time `json:"changed_at"`
}

func (d *jsonDocument) job(j Job) error {
	// The job itself is copied as it is: encoding it again would cost a hundred times as much.
	facts, err := json.Marshal(jsonItem{Version: j.Version, State: "open", ChangedAt: j.ChangedAt.UTC()})
	if err != nil {
		return err
	}
	open := "\n" + `{"job":`
	if d.begun {
		open = "," + open
	}
	d.begun = true
	for _, part := range [][]byte{[]byte(open), j.Doc, []byte(","), facts[1:]} {
		if _, err := d.w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func (d *jsonDocument) end() error {
	_, err := io.WriteString(d.w, "\n]}\n")
	return err
}
