package ashbytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// ImportJobs adds jobs in the shape of job.list, or replaces those of the same id. Fields that the simulator knows
// nothing of, and values that it would not make, are kept literally. No webhooks are sent.
func (o *Organization) ImportJobs(rows ...json.RawMessage) error {
	return o.importRows(&o.jobs, "job", rows)
}

// ImportDepartments adds departments in the shape of department.list, or replaces those of the same id.
func (o *Organization) ImportDepartments(rows ...json.RawMessage) error {
	return o.importRows(&o.departments, "department", rows)
}

// ImportLocations adds locations in the shape of location.list, or replaces those of the same id.
func (o *Organization) ImportLocations(rows ...json.RawMessage) error {
	return o.importRows(&o.locations, "location", rows)
}

func (o *Organization) importRows(t *table, kind string, rows []json.RawMessage) error {
	bodies := make([]map[string]any, 0, len(rows))
	for i, raw := range rows {
		var body map[string]any
		if err := decodeExact(raw, &body); err != nil {
			return fmt.Errorf("importing %s %d: %w", kind, i, err)
		}
		if id, ok := body["id"].(string); !ok || id == "" {
			return fmt.Errorf("importing %s %d: %w", kind, i, errNoID)
		}
		bodies = append(bodies, body)
	}
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	for _, body := range bodies {
		t.put(o.nextRev(), body)
	}
	return nil
}

var errNoID = errors.New("it has no id")

// decodeExact decodes JSON and keeps numbers as they are written.
func decodeExact(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return dec.Decode(into)
}
