package mirror

import (
	"encoding/json"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// pay returns the compensation that the employer shows on its job board, nil where it shows none: pay that is not meant
// for candidates must not leave.
func pay(p ashby.Posting) *events.Pay {
	if !p.ShowCompensation {
		return nil
	}
	shown := events.Pay{Summary: tidy(p.CompensationTierSummary), Tiers: []events.PayTier{}}
	if p.Compensation != nil {
		shown.Summary = first(tidy(p.Compensation.TierSummary), shown.Summary)
		for _, t := range p.Compensation.Tiers {
			shown.Tiers = append(shown.Tiers, tier(t))
		}
	}
	if shown.Summary == "" && len(shown.Tiers) == 0 {
		return nil
	}
	return &shown
}

func tier(t ashby.CompensationTier) events.PayTier {
	out := events.PayTier{
		Title: tidy(t.Title), Summary: tidy(t.TierSummary), Note: tidy(t.AdditionalInformation),
		Components: []events.PayComponent{},
	}
	for _, c := range t.Components {
		out.Components = append(out.Components, events.PayComponent{
			Type: tidy(c.Type), Label: tidy(c.Label), Summary: tidy(c.Summary), Interval: tidy(c.Interval),
			Currency: tidy(c.CurrencyCode), Min: decimal(c.MinValue), Max: decimal(c.MaxValue),
		})
	}
	return out
}

// decimal keeps a number digit for digit, in memory of its own; what JSON would not write as a number is absent.
func decimal(n *json.Number) *json.Number {
	if n == nil || !json.Valid([]byte(*n)) {
		return nil
	}
	if c := (*n)[0]; c != '-' && (c < '0' || c > '9') {
		return nil
	}
	own := *n
	return &own
}
