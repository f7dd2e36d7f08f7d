package ashbytest

import (
	"encoding/json"
	"fmt"
)

// Place is a location as candidates see it.
type Place struct {
	ID string
	// Name is the external name, where there is one.
	Name                                          string
	Street, Locality, Region, PostalCode, Country string
}

// ShownPay gives the pay of a posting that job boards may show, nil where they may show none.
func (o *Organization) ShownPay(id string) (*Pay, error) {
	o.sim.mu.Lock()
	p, ok := o.postings[id]
	if !ok || !p.showPay || len(p.pay.Tiers) == 0 {
		o.sim.mu.Unlock()
		return nil, nil
	}
	entered := p.pay.Tiers // replaced by edits, never written to
	o.sim.mu.Unlock()
	raw, err := json.Marshal(entered) // imported pay keeps the shape in which it came
	if err != nil {
		return nil, fmt.Errorf("encoding the pay of %s: %w", id, err)
	}
	var tiers []struct {
		Title      string `json:"title"`
		Note       string `json:"additionalInformation"`
		Components []struct {
			Type     string      `json:"compensationType"`
			Label    string      `json:"label"`
			Interval string      `json:"interval"`
			Currency string      `json:"currencyCode"`
			Min      json.Number `json:"minValue"`
			Max      json.Number `json:"maxValue"`
		} `json:"components"`
	}
	if err := decodeExact(raw, &tiers); err != nil {
		return nil, fmt.Errorf("reading the pay of %s: %w", id, err)
	}
	shown := &Pay{Tiers: make([]PayTier, 0, len(tiers))}
	for _, t := range tiers {
		tier := PayTier{Title: t.Title, Note: t.Note, Components: make([]PayComponent, 0, len(t.Components))}
		for _, c := range t.Components {
			tier.Components = append(tier.Components, PayComponent(c))
		}
		shown.Tiers = append(shown.Tiers, tier)
	}
	return shown, nil
}

// places gives a posting's locations, the primary one first, each once.
func (o *Organization) places(p *posting) []Place {
	out := make([]Place, 0, 1+len(p.secondary))
	seen := map[string]bool{"": true}
	for _, id := range append([]string{p.locationID}, p.secondary...) {
		if seen[id] {
			continue
		}
		seen[id] = true
		place := Place{ID: id}
		if r, ok := o.locations.get(id); ok {
			place = r.place()
		}
		out = append(out, place)
	}
	return out
}

func (r *record) place() Place {
	out := Place{ID: r.id, Name: r.text("externalName")}
	if out.Name == "" {
		out.Name = r.text("name")
	}
	address, _ := r.body["address"].(map[string]any)
	fields, _ := address["postalAddress"].(map[string]any)
	for name, into := range map[string]*string{
		"streetAddress": &out.Street, "addressLocality": &out.Locality, "addressRegion": &out.Region,
		"postalCode": &out.PostalCode, "addressCountry": &out.Country,
	} {
		*into, _ = fields[name].(string)
	}
	return out
}
