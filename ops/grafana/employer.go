package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// employer answers: what about this one?
func employer() board {
	return board{
		file: "employer.json", uid: uidEmployer, title: "Ashbridge / Employer", from: "now-24h",
		about: "One employer's connection: is it fresh, what was read, what do its webhooks do, what does Ashby answer? " +
			"Only the first connections have series of their own (ASHBRIDGE_METRICS_CONNECTIONS); the rest is counted together as `other`.",
		variables: []cog.Builder[dashboard.VariableModel]{
			choice("employer", "Employer", `label_values(ashbridge_connection_info, employer)`),
			choice("connection", "Connection", `label_values(ashbridge_connection_info{employer="$employer"}, connection)`),
		},
		sections: []section{
			{"Now", employerNow()},
			{"Freshness", employerFreshness()},
			{"What happened", employerWork()},
			{"Ashby", employerAshby()},
		},
	}
}

// choice is a variable whose values Prometheus knows.
func choice(name, label, query string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source()).Definition(query).
		Query(dashboard.StringOrMap{String: cog.ToPtr(query)}).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalCaseInsensitiveAsc)
}

func employerNow() panels {
	status := figure("Status", told{
		"The state of the connection.",
		"active.", "unauthorized: Ashby refuses the key, the employer must give another. degraded: Ashby does not answer as it should; it is tried on.",
	}, units.NoUnit, sixth, limits(green), ask(`max by (status) (ashbridge_connection_info{connection="$connection"})`, "{{status}}").Instant()).
		TextMode(common.BigValueTextModeName).GraphMode(common.BigValueGraphModeNone).
		OverrideByName("pending", colour(blue)).OverrideByName("degraded", colour(orange)).OverrideByName("unauthorized", colour(red)).
		OverrideByName("paused", colour(blue)).OverrideByName("removed", colour(blue))
	return panels{
		status,
		figure("Compared with Ashby", told{
			"Time since a complete comparison with Ashby.",
			"Below 65 minutes with the usual interval.", "Hours: look at the runs and at Ashby's errors below.",
		}, units.Seconds, sixth, atMost(3900, 7500), ask(`max(ashbridge_connection_verified_seconds{connection="$connection"})`, "")),
		figure("Public jobs", told{
			"Jobs that boards show of this employer.",
			"What the employer expects.", "0, or a sudden fall: look for a hold with `ashbridge holds list`.",
		}, units.NoUnit, sixth, none(), ask(`max(ashbridge_connection_public_jobs{connection="$connection"})`, "")),
		figure("Webhooks waiting", told{
			"Webhooks that no read of Ashby has answered yet.",
			"0, or a few for a moment.", "Many, or for minutes: Ashby does not answer, or the key is at its limit.",
		}, units.NoUnit, sixth, atMost(10, 100), ask(`max(ashbridge_connection_inbox_rows{connection="$connection"})`, "")),
		figure("Told by webhooks", told{
			"Of the changes found in the chosen time, the share that a webhook told; the rest only a poll found.",
			"Near 100 %.", "Low: webhook settings are missing at Ashby, or are switched off. `ashbridge connections show` says which.",
		}, units.PercentUnit, sixth, atLeast(0.5, 0.9), ask(`sum(increase(ashbridge_connection_changes_total{connection="$connection",found_by="webhook"}[$__range]))
  / sum(increase(ashbridge_connection_changes_total{connection="$connection"}[$__range]))`, "")),
		figure("Errors of Ashby", told{
			"Requests for this employer that Ashby answered with an error, in the chosen time.",
			"Few.", "Many: see when they began, below.",
		}, units.Short, sixth, atMost(10, 100), ask(`sum(increase(ashbridge_connection_ashby_errors_total{connection="$connection"}[$__range]))`, "")),
	}
}

func employerFreshness() panels {
	return panels{
		limited(lines("Time since the last comparison", told{
			"A saw that falls to 0 with each complete comparison with Ashby.",
			"Teeth of equal height, as high as the interval.", "A tooth that rises above 65 minutes: comparisons fail.",
		}, units.Seconds, half, ask(`max(ashbridge_connection_verified_seconds{connection="$connection"})`, "since compared")), atMost(3900, 7500)),
		states("Status over time", told{
			"Which state the connection was in.",
			"active throughout.", "Stretches of unauthorized or degraded.",
		}, half, ask(`max by (status) (ashbridge_connection_info{connection="$connection"})`, "{{status}}")).
			OverrideByName("pending", colour(blue)).OverrideByName("degraded", colour(orange)).OverrideByName("unauthorized", colour(red)).
			OverrideByName("paused", colour(blue)).OverrideByName("removed", colour(blue)),
		lines("Public jobs over time", told{
			"Jobs that boards show of this employer.",
			"Slow steps.", "A cliff: it passed the guard against mass disappearance, so see whether a person approved it.",
		}, units.NoUnit, half, ask(`max(ashbridge_connection_public_jobs{connection="$connection"})`, "public jobs")),
		lines("Lag: changed → published, mean", told{
			"Mean time from a change at Ashby to its event's place on the stream. Nothing is drawn where nothing changed.",
			"About a second with webhooks, up to the interval without.", "Much more: webhooks are missing, or the key is at its limit.",
		}, units.Seconds, half, ask(`sum(rate(ashbridge_connection_changed_to_published_seconds_sum{connection="$connection"}[$__rate_interval]))
  / sum(rate(ashbridge_connection_changed_to_published_seconds_count{connection="$connection"}[$__rate_interval]))`, "mean")),
	}
}

func employerWork() panels {
	return panels{
		bars("Runs", told{
			"Readings of Ashby a minute, polls and refreshes, by how they ended.",
			"ok.", "unauthorized, missing_permission: the key. unavailable, rate_limited: Ashby. store_unavailable: Postgres. implausible: a mass disappearance.",
		}, units.CountsPerMinute, half, ask(`60 * sum by (outcome) (rate(ashbridge_connection_runs_total{connection="$connection"}[$__rate_interval]))`, "{{outcome}}")),
		bars("Webhooks", told{
			"Ashby's webhooks a minute, by what became of them.",
			"accepted, ping, uninteresting.", "bad_signature: the secret at Ashby is another one. Nothing at all, though changes are found: the settings at Ashby.",
		}, units.CountsPerMinute, half, ask(`60 * sum by (outcome) (rate(ashbridge_connection_webhooks_total{connection="$connection"}[$__rate_interval]))`, "{{outcome}}")),
		bars("Events", told{
			"Job events committed a minute, by how the change was found.",
			"Mostly webhook.", "Mostly poll: boards hear late of this employer's changes. repair: the stream had lost them.",
		}, units.CountsPerMinute, half, ask(`60 * sum by (origin) (rate(ashbridge_connection_events_total{connection="$connection"}[$__rate_interval]))`, "{{origin}}")),
		bars("Changes, by what found them", told{
			"Changes that a webhook should have told, a minute, by what found them.",
			"webhook.", "poll: Ashby did not tell.",
		}, units.CountsPerMinute, half, ask(`60 * sum by (found_by) (rate(ashbridge_connection_changes_total{connection="$connection"}[$__rate_interval]))`, "{{found_by}}")),
	}
}

func employerAshby() panels {
	return panels{
		bars("Errors of Ashby over time", told{
			"Requests for this employer, a minute, that Ashby answered with an error.",
			"None, or single ones.", "A wall: compare with Plumbing whether other employers have it too.",
		}, units.CountsPerMinute, half, ask(`60 * sum(rate(ashbridge_connection_ashby_errors_total{connection="$connection"}[$__rate_interval]))`, "errors")),
		lines("Webhooks waiting over time", told{
			"Webhooks that no read of Ashby has answered yet.",
			"Spikes that are gone at once.", "A plateau or a ramp.",
		}, units.NoUnit, half, ask(`max(ashbridge_connection_inbox_rows{connection="$connection"})`, "waiting")),
	}
}
