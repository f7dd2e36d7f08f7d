package mirror

import (
	"encoding/json"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// baseSalary is the range of all salary components that share the first one's currency and interval: tiers are regions
// or levels of one job, and schema.org has room for one amount.
func baseSalary(p *events.Pay) *ldAmount {
	if p == nil {
		return nil
	}
	var amount *ldAmount
	for _, t := range p.Tiers {
		for _, c := range t.Components {
			unit := ldUnit(c.Interval)
			if c.Type != "Salary" || c.Currency == "" || unit == "" || c.Min == nil && c.Max == nil {
				continue
			}
			if amount == nil {
				amount = &ldAmount{"MonetaryAmount", c.Currency, ldQuantity{Type: "QuantitativeValue", Min: c.Min, Max: c.Max, Unit: unit}}
			}
			if c.Currency == amount.Currency && unit == amount.Value.Unit {
				amount.Value.Min = pick(amount.Value.Min, c.Min, func(a, b float64) bool { return a < b })
				amount.Value.Max = pick(amount.Value.Max, c.Max, func(a, b float64) bool { return a > b })
			}
		}
	}
	if amount != nil {
		amount.Value.single()
	}
	return amount
}

// single makes one value of a range that has but one: a minimum and a maximum say that there is something in between.
func (q *ldQuantity) single() {
	if q.Min != nil && q.Max != nil && *q.Min == *q.Max {
		q.Value, q.Min, q.Max = q.Min, nil, nil
	}
}

// ldUnit is schema.org's word for Ashby's interval, empty for those it has no word for.
func ldUnit(interval string) string {
	switch interval {
	case "1 HOUR":
		return "HOUR"
	case "1 DAY":
		return "DAY"
	case "1 WEEK":
		return "WEEK"
	case "1 MONTH":
		return "MONTH"
	case "1 YEAR":
		return "YEAR"
	default:
		return ""
	}
}

// pick returns b if there is no a or b is better. Floats are good enough to compare by: the digits stay the employer's.
func pick(a, b *json.Number, better func(a, b float64) bool) *json.Number {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	x, errX := a.Float64()
	y, errY := b.Float64()
	if errX == nil && errY == nil && better(y, x) {
		return b
	}
	return a
}
