package ashbytest

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Pay is what an employer enters as a posting's pay. The zero value is no pay.
type Pay struct {
	// Hidden keeps the pay from job boards; it stands in answers all the same, with the flag false.
	Hidden bool
	Tiers  []PayTier
}

// PayTier is one tier, for example of one region.
type PayTier struct {
	Title, Note string
	Components  []PayComponent
}

// PayComponent is one part of a tier.
type PayComponent struct {
	// Type is Salary, EquityPercentage, EquityCashValue, Commission or Bonus.
	Type  string
	Label string
	// Interval is Ashby's: "1 YEAR", "1 HOUR", "NONE" …
	Interval string
	// Currency is an ISO 4217 code; empty is sent as null.
	Currency string
	// Min and Max are decimals, sent literally; empty is sent as null.
	Min, Max json.Number
}

// compensation is pay in the shape of jobPosting.info, without the flag.
type compensation struct {
	TierSummary       *string          `json:"compensationTierSummary"`
	SummaryComponents []map[string]any `json:"summaryComponents"`
	Tiers             []map[string]any `json:"compensationTiers"`
}

func (o *Organization) compensationOf(posting string, pay Pay) compensation {
	c := compensation{SummaryComponents: []map[string]any{}, Tiers: []map[string]any{}}
	for i, tier := range pay.Tiers {
		components := make([]map[string]any, 0, len(tier.Components))
		summaries := make([]string, 0, len(tier.Components)+1)
		for k, part := range tier.Components {
			shown := part.shape()
			summaries = append(summaries, shown["summary"].(string))
			shown["id"] = stableID(o.sim.opts.Seed, posting, "component", 100*i+k)
			components = append(components, shown)
		}
		if tier.Note != "" {
			summaries = append(summaries, tier.Note)
		}
		c.Tiers = append(c.Tiers, map[string]any{
			"id":    stableID(o.sim.opts.Seed, posting, "tier", i),
			"title": orNull(tier.Title), "additionalInformation": orNull(tier.Note),
			"tierSummary": strings.Join(summaries, " • "), "components": components,
		})
	}
	if len(pay.Tiers) == 0 {
		return c
	}
	parts := make([]string, 0, 4)
	for _, part := range pay.Tiers[0].Components {
		shown := part.shape()
		c.SummaryComponents = append(c.SummaryComponents, shown)
		parts = append(parts, shown["summary"].(string))
	}
	if len(pay.Tiers) > 1 {
		parts = append(parts, "Multiple Ranges")
	}
	summary := strings.Join(parts, " • ")
	c.TierSummary = &summary
	return c
}

// shape is the component as Ashby shows it, without the id.
func (c PayComponent) shape() map[string]any {
	out := map[string]any{
		"summary": c.summary(), "compensationType": c.Type, "interval": c.Interval,
		"currencyCode": orNull(c.Currency), "minValue": orNull(c.Min), "maxValue": orNull(c.Max),
	}
	if c.Label != "" {
		out["label"] = c.Label
	}
	return out
}

func (c PayComponent) summary() string {
	switch {
	case c.Min == "" && c.Max == "":
		return "Offers " + map[string]string{
			"Salary": "Salary", "EquityPercentage": "Equity", "EquityCashValue": "Equity", "Commission": "Commission", "Bonus": "Bonus",
		}[c.Type]
	case c.Type == "EquityPercentage":
		return fmt.Sprintf("%s%% – %s%%", c.Min, c.Max)
	case c.Min == c.Max || c.Max == "":
		return c.money(c.Min)
	default:
		return c.money(c.Min) + " – " + c.money(c.Max)
	}
}

var currencySigns = map[string]string{"USD": "$", "EUR": "€", "GBP": "£", "CAD": "CA$", "INR": "₹"}

// money shortens whole thousands, as Ashby's summaries do.
func (c PayComponent) money(value json.Number) string {
	sign, ok := currencySigns[c.Currency]
	if !ok {
		sign = c.Currency + " "
	}
	text := value.String()
	if short, ok := strings.CutSuffix(text, "000"); ok && short != "" && !strings.Contains(text, ".") {
		text = short + "K"
	}
	if c.Interval == "1 HOUR" {
		text += " per hour"
	}
	return sign + text
}

// orNull turns an empty text into JSON's null.
func orNull[T ~string](value T) any {
	if value == "" {
		return nil
	}
	return value
}
