package jobfeed

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// decodeSlowly is what decode must agree with.
func decodeSlowly[T any](body []byte) (e events.Event, data *T, err error) {
	if err = json.Unmarshal(body, &e); err == nil {
		err = json.Unmarshal(e.Data, &data)
	}
	return e, data, err
}

func TestDecodeTheContract(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../schema/events/testdata/*.json")
	if err != nil || len(paths) < 7 {
		t.Fatalf("golden files are %v, %v", paths, err)
	}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		agree[events.JobData](t, body)
		agree[events.ConnectionData](t, body)
	}
}

func agree[T any](t *testing.T, body []byte) {
	t.Helper()
	e, data, err := decodeAs[T](body)
	want, wantData, wantErr := decodeSlowly[T](body)
	if wantErr == nil && wantData == nil {
		return // null data: decode refuses it
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%s: %v, want %v", body, err, wantErr)
	}
	if err != nil {
		return
	}
	if diff := cmp.Diff(want, e) + cmp.Diff(wantData, data); diff != "" {
		t.Errorf("%s (-want +got):\n%s", body, diff)
	}
}

func FuzzDecode(f *testing.F) {
	for _, body := range []string{
		`{"id":"x","data":{"version":1,"job":{"title":"a \"quoted\" {title}, \\"}},"type":"job.updated"}`,
		`{"a":"data","data":{"version":2}}`, `{"a":{"data":[]}, "data" : {} }`, `{"data":null}`, `{"data":[]}`, `{}`, `[]`, `{"data":{}`,
		`{"source":"data\\","data":{"changed":["a","b"]}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.Contains(body, []byte(`\u`)) || bytes.Count(body, []byte(`"data"`)) > 1 {
			t.Skip() // a name that is written in another way, or twice, is in no event
		}
		var names map[string]json.RawMessage
		if json.Unmarshal(body, &names) == nil {
			for name := range names {
				if name != "data" && len(name) == 4 {
					t.Skip() // "Data" and the like: encoding/json takes names of another case for the same
				}
			}
		}
		agree[events.JobData](t, body)
	})
}
