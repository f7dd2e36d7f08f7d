package ashbytest

import (
	"maps"
	"slices"
)

// orgReport is what the control path says of an organisation.
type orgReport struct {
	Slug     string         `json:"slug"`
	Name     string         `json:"name"`
	Postings int            `json:"postings"`
	Public   int            `json:"public_postings"`
	Boards   int            `json:"boards"`
	Records  map[string]int `json:"records"`
	Webhooks []hookReport   `json:"webhooks"`
	Muted    bool           `json:"muted"`
	Shuffle  int64          `json:"shuffle_ms"`
	Copies   int            `json:"copies"`
}

type hookReport struct {
	ID      string `json:"id"`
	Action  string `json:"action"`
	Enabled bool   `json:"enabled"`
}

// stateReport counts what there is, by organisation and kind. Records that are derived from a parent are not counted.
func (s *Simulator) stateReport() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]orgReport, 0, len(s.orgs))
	for _, slug := range slices.Sorted(maps.Keys(s.orgs)) {
		o := s.orgs[slug]
		report := orgReport{
			Slug: slug, Name: o.name, Postings: len(o.order), Boards: len(o.allBoards()), Records: make(map[string]int),
			Webhooks: []hookReport{}, Muted: o.muted, Shuffle: o.shuffle.Milliseconds(), Copies: o.copies,
		}
		for _, p := range o.order {
			if o.stateOf(p).Public() {
				report.Public++
			}
		}
		for _, k := range s.catalogue.kinds {
			if k.derive == nil {
				report.Records[k.name] = len(o.table(k.name).rows)
			}
		}
		for _, w := range o.webhooks {
			report.Webhooks = append(report.Webhooks, hookReport{ID: w.id, Action: w.action, Enabled: w.enabled})
		}
		out = append(out, report)
	}
	return map[string]any{"organizations": out}
}
