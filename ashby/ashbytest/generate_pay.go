package ashbytest

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
)

// somePay makes pay of four sorts in turn: two shown tiers, one shown tier, a hidden one, none.
func somePay(rng *rand.Rand, employment string, n int) Pay {
	if employment == "PartTime" || employment == "Intern" {
		low := 18 + rng.IntN(20)
		return Pay{Hidden: n%4 == 2, Tiers: []PayTier{{Components: []PayComponent{{
			Type: "Salary", Interval: "1 HOUR", Currency: "EUR", Min: json.Number(strconv.Itoa(low) + ".5"), Max: whole(low + 6),
		}}}}}
	}
	low := 60 + 5*rng.IntN(20)
	switch n % 4 {
	case 0:
		return Pay{Tiers: []PayTier{
			{Title: "Europe", Components: []PayComponent{salary("EUR", low, low+20), {
				Type: "EquityPercentage", Interval: "NONE", Min: "0.05", Max: "0.25",
			}}},
			{Title: "United States", Note: "Before bonus", Components: []PayComponent{salary("USD", low+40, low+75), {
				Type: "EquityCashValue", Interval: "1 YEAR", Currency: "USD",
			}}},
		}}
	case 1:
		return Pay{Tiers: []PayTier{{Components: []PayComponent{
			salary("GBP", low, low+15),
			{Type: "Bonus", Label: "Annual bonus", Interval: "1 YEAR", Currency: "GBP", Min: "2500.75", Max: "7200.1"},
			{Type: "Commission", Interval: "1 YEAR", Currency: "GBP"},
		}}}}
	case 2:
		return Pay{Hidden: true, Tiers: []PayTier{{Components: []PayComponent{salary("USD", low, low+30)}}}}
	default:
		return Pay{}
	}
}

// salary is a yearly range in thousands.
func salary(currency string, low, high int) PayComponent {
	return PayComponent{Type: "Salary", Interval: "1 YEAR", Currency: currency, Min: whole(1000 * low), Max: whole(1000 * high)}
}

func whole(n int) json.Number { return json.Number(strconv.Itoa(n)) }
