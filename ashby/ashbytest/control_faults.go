package ashbytest

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// activeFault is a fault in the words of the control path.
type activeFault struct {
	Name   string `json:"name"`
	Method string `json:"method,omitempty"`
	Org    string `json:"org,omitempty"`
	Count  int    `json:"count,omitempty"`
	Page   int    `json:"page,omitempty"`
	Field  string `json:"field,omitempty"`
}

// faultReport has all names, how often each was taken, and what is switched on.
func (s *Simulator) faultReport() any {
	active := []activeFault{}
	for _, f := range s.ActiveFaults() {
		active = append(active, activeFault{Name: f.Name, Method: f.Method, Org: f.Org, Count: f.Count, Page: f.Page, Field: f.Field})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	named := []any{}
	for _, f := range Faults() {
		named = append(named, map[string]any{"name": f.Name, "description": f.Description, "taken": s.takenNames[f.Name]})
	}
	return map[string]any{"faults": named, "active": active}
}

// controlFault switches a named fault on.
func (s *Simulator) controlFault(r *http.Request) (any, error) {
	var want activeFault
	if err := readControl(r, &want); err != nil {
		return nil, err
	}
	f, known := FaultNamed(want.Name)
	if !known {
		return nil, fmt.Errorf("there is no fault %q", want.Name)
	}
	if want.Count < 0 || want.Page < 0 {
		return nil, errors.New("count and page are numbers from 1")
	}
	if want.Method != "" && s.routes[want.Method].scope == "" {
		return nil, fmt.Errorf("there is no method %q", want.Method)
	}
	f.Method, f.Org, f.Page, f.Field = want.Method, want.Org, want.Page, want.Field
	if want.Count > 0 {
		f.Count = want.Count
	}
	s.Inject(f)
	return s.faultReport(), nil
}

// webhookSwitches are those of one organisation; what is absent stays as it is.
type webhookSwitches struct {
	Org       string `json:"org"`
	Muted     *bool  `json:"muted"`
	ShuffleMS *int   `json:"shuffle_ms"`
	Copies    *int   `json:"copies"`
}

// controlWebhooks loses, delays or doubles webhooks.
func (s *Simulator) controlWebhooks(r *http.Request) (any, error) {
	var want webhookSwitches
	if err := readControl(r, &want); err != nil {
		return nil, err
	}
	o, err := s.organization(want.Org)
	if err != nil {
		return nil, err
	}
	for _, n := range []*int{want.ShuffleMS, want.Copies} {
		if n != nil && *n < 0 {
			return nil, errors.New("shuffle_ms and copies are numbers from 0")
		}
	}
	if want.Muted != nil {
		o.MuteWebhooks(*want.Muted)
	}
	if want.ShuffleMS != nil {
		o.ShuffleWebhooks(time.Duration(*want.ShuffleMS) * time.Millisecond)
	}
	if want.Copies != nil {
		o.DuplicateWebhooks(*want.Copies)
	}
	return s.stateReport(), nil
}
