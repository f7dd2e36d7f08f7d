package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// objective is the share of the employers' time that is to be fresh, as in ops/prometheus/rules/freshness.yml, and budget
// what may be missing.
const (
	objective = 0.99
	budget    = "0.01"
)

// fresh is the share of employers whose jobs are fresh, by poll or by webhook. One notifier exports it; max bridges the
// moment in which another takes over.
func fresh(by string) string {
	return fmt.Sprintf(`max(ashbridge_fleet_fresh_connections{by=%q}) / max(ashbridge_fleet_watched_connections)`, by)
}

// overview answers: is every employer fresh, and must somebody act?
func overview() board {
	return board{
		file: "overview.json", uid: uidOverview, title: "Ashbridge / Overview", from: "now-6h",
		about:     "Is every employer's board up to date, how fast do changes arrive, and must somebody act?",
		variables: []cog.Builder[dashboard.VariableModel]{origins()},
		sections: []section{
			{"At a glance", glance()},
			{"Freshness objective", freshness()},
			{"From Ashby's change to the boards", lag()},
			{"Traffic", traffic()},
			{"Employers", employers()},
			{"Alerts", alerts()},
		},
	}
}

// origins chooses how the changes were found whose lag is drawn. A poll finds a change up to an hour late by design, and
// a first synchronisation tells of jobs that are months old; so what webhooks told is what it opens with.
func origins() *dashboard.CustomVariableBuilder {
	values := []string{"webhook", "poll", "repair", "seed"}
	options := []dashboard.VariableOption{}
	for i, v := range values {
		options = append(options, dashboard.VariableOption{
			Selected: cog.ToPtr(i == 0), Text: dashboard.StringOrArrayOfString{String: &v}, Value: dashboard.StringOrArrayOfString{String: &v},
		})
	}
	first := dashboard.StringOrArrayOfString{ArrayOfString: values[:1]}
	return dashboard.NewCustomVariableBuilder("origin").Label("Found by").Multi(true).
		Values(dashboard.StringOrMap{String: cog.ToPtr("webhook,poll,repair,seed")}).Options(options).
		Current(dashboard.VariableOption{Selected: cog.ToPtr(true), Text: first, Value: first})
}

func glance() panels {
	return panels{
		figure("Fresh by poll", told{
			"Share of the watched employers that were compared with Ashby within the last hour (or their own interval) and five minutes.",
			"100 %.", "Below the objective for long: jobs on boards may be out of date. See the worst employers below.",
		}, units.PercentUnit, sixth, atLeast(0.95, objective), ask(fresh("poll"), "")),
		figure("Fresh by webhook", told{
			"Share of the watched employers of which no webhook waits for more than a minute.",
			"100 %.", "Below the objective: changes that Ashby told are not being read. Look at Ashby's answers and the inbox on Plumbing.",
		}, units.PercentUnit, sixth, atLeast(0.95, objective), ask(fresh("webhook"), "")),
		figure("Oldest comparison", told{
			"Time since the watched employer that was not compared with Ashby for longest was.",
			"Below 65 minutes with the usual interval of an hour; a day where an employer is polled once a day.",
			"Far above the longest interval: one employer is stuck. The table of those that are most overdue names it.",
		}, units.Seconds, sixth, atMost(3900, 7500), ask(`max(ashbridge_fleet_oldest_verified_seconds)`, "")),
		figure("Holds waiting", told{
			"Mass disappearances of jobs that wait for a second listing or for a person's decision. Nothing closes meanwhile.",
			"0.", "One or more for long: decide with `ashbridge holds list`, then `approve` or `reject`.",
		}, units.NoUnit, sixth, atMost(1, 5), ask(`max(ashbridge_fleet_holds_waiting)`, "")),
		figure("Keys refused", told{
			"Employers whose API key Ashby refuses. Their jobs stay as they were last seen.",
			"0.", "Any: the employer revoked the key or took a permission away, and must give a new one.",
		}, units.NoUnit, sixth, atMost(1, 3), ask(`max(ashbridge_fleet_connections{status="unauthorized"})`, "")),
		figure("Alerts firing", told{
			"Alerts of Ashbridge that fire now. The table at the end has their names.",
			"0.", "Any: each has a page in ops/runbooks that says what to do.",
		}, units.NoUnit, sixth, limits(green, limit{1, red}), ask(`count(ALERTS{alertname=~"Ashbridge.*",alertstate="firing"}) or vector(0)`, "")),
	}
}

func freshness() panels {
	share := limited(lines("Share of fresh employers", told{
		"Both objectives over time: compared with Ashby within the hour, and no webhook waiting for more than a minute. The dashed line is the objective.",
		"Both at 100 %.", "A dip is an outage of Ashby's or ours; a level below the line uses up the error budget.",
	}, units.PercentUnit, third, ask(fresh("poll"), "by poll"), ask(fresh("webhook"), "by webhook")), limits(red, limit{objective, green})).Max(1)
	burn := func(window string) *prometheus.DataqueryBuilder {
		return ask(`ashbridge:freshness_stale:ratio_`+window+` / `+budget, "by {{by}} over "+window)
	}
	return panels{
		share,
		limited(lines("Burn rate of the error budget", told{
			"How many times faster than allowed the budget is used up: 1 uses all of it in exactly 30 days.",
			"Below 1.", "Above 14.4 over an hour, or 6 over six hours, somebody is woken; 3 over a day is a ticket.",
		}, units.NoUnit, third, burn("1h"), burn("6h"), burn("1d")), limits(green, limit{6, orange}, limit{14.4, red})),
		figure("Error budget left", told{
			"What is left of the last 30 days' budget, or of the days that Prometheus still has. Below 0 the objective is missed.",
			"Near 100 %.", "Near or below 0: put reliability before changes until it has recovered.",
		}, units.PercentUnit, third, atLeast(0.1, 0.5), ask(`ashbridge:freshness_budget:left_30d`, "by {{by}}")).Height(tall),
	}
}

func lag() panels {
	const published = `ashbridge_relay_changed_to_published_seconds_bucket{origin=~"$origin"}`
	const acknowledged = `ashbridge_board_changed_to_acknowledged_seconds_bucket{origin=~"$origin"}`
	quantile := func(q float64, by, buckets string) string {
		return fmt.Sprintf(`histogram_quantile(%g, sum by (%s) (rate(%s[$__rate_interval])))`, q, by, buckets)
	}
	return panels{
		heat("Changed → published", told{
			"How long after a change at Ashby its event was on the stream, as Ashby's clock has it. Choose above how the change was found.",
			"With webhooks a band below a second; with polls anything up to the hour.",
			"A band that climbs: Ashby's webhooks, its answers or our queue have become slow.",
		}, units.Seconds, half, `sum by (le) (increase(`+published+`[$__rate_interval]))`),
		heat("Changed → acknowledged", told{
			"How long after a change at Ashby the boards had taken its event, over all boards.",
			"The same band as on the left, hardly higher.",
			"Much higher than on the left: boards are slow or away. See the boards that are behind.",
		}, units.Seconds, half, `sum by (le) (increase(`+acknowledged+`[$__rate_interval]))`),
		lines("Lag: published", told{
			"Median and slowest hundredth of the lag until published.",
			"A median below a second with webhooks.", "A slow hundredth of minutes: some changes are only found by polls.",
		}, units.Seconds, half, ask(quantile(0.5, "le", published), "median"), ask(quantile(0.99, "le", published), "99 %")),
		lines("Lag: acknowledged, by the boards' way", told{
			"Slowest hundredth of the lag until boards acknowledged, for those that read NATS and those that take webhooks.",
			"About the lag until published.", "One way far above the other: boards of that way, or our sender, are in trouble.",
		}, units.Seconds, half, ask(quantile(0.99, "le, way", acknowledged), "{{way}} 99 %")),
	}
}

func traffic() panels {
	return panels{
		bars("Events published", told{
			"Events that went to the boards, a minute, by type.",
			"What the employers' working day looks like.", "A wall of job.closed: look at the employers and the holds. Nothing at all on a working day: look at the webhooks.",
		}, units.CountsPerMinute, third, ask(`60 * sum by (type) (rate(ashbridge_relay_published_total[$__rate_interval]))`, "{{type}}")),
		bars("Webhooks from Ashby", told{
			"Ashby's webhooks a minute, by what became of them.",
			"accepted, ping and uninteresting.",
			"bad_signature: an employer's secret is another one. spilled and unavailable: Postgres or more is away. unknown_token: a stranger, or a stale setting.",
		}, units.CountsPerMinute, third, ask(`60 * sum by (outcome) (rate(ashbridge_gateway_webhooks_total[$__rate_interval]))`, "{{outcome}}")),
		lines("Changes that webhooks told", told{
			"Of the changes found that a webhook should have told, the share that one told; the rest only a poll found.",
			"Near 100 %.", "Low: employers lack webhook settings, or Ashby's webhooks do not arrive.",
		}, units.PercentUnit, third, ask(`sum(increase(ashbridge_syncer_webhook_changes_total{found_by="webhook"}[$__range])) / sum(increase(ashbridge_syncer_webhook_changes_total[$__range]))`, "told by webhooks")).Max(1),
	}
}

func employers() panels {
	return panels{
		toEmployer(list("Most overdue", told{
			"The ten watched employers whose next comparison with Ashby is most overdue, by their own interval and five minutes. A click opens the employer.",
			"0 for all.", "Hours: Ashby does not answer for this employer, or its key has a trouble.",
		}, units.Seconds, half, atMost(600, 3600), `max by (employer, connection) (ashbridge_fleet_worst_overdue_seconds)`,
			column{"employer", "Employer"}, column{"connection", "Connection"}, column{"Value", "Overdue for"}), "Employer"),
		toEmployer(list("Most errors of Ashby", told{
			"The ten employers for which Ashby answered with most errors in the chosen time. The connection other is all that have no series of their own.",
			"Few or none.", "Many for one: its key. Many for all: Ashby itself, or our pace.",
		}, units.Short, half, atMost(10, 100), `topk(10,
  sum by (connection) (increase(ashbridge_connection_ashby_errors_total[$__range]))
    * on (connection) group_left (employer) max by (connection, employer) (ashbridge_connection_info)
  or on (connection) sum by (connection) (increase(ashbridge_connection_ashby_errors_total[$__range])))`,
			column{"employer", "Employer"}, column{"connection", "Connection"}, column{"Value", "Errors"}), "Employer"),
		lines("Employers by status", told{
			"Connections by status.",
			"Nearly all active.", "degraded: Ashby does not answer as it should. unauthorized: the key is refused.",
		}, units.NoUnit, third, ask(`max by (status) (ashbridge_fleet_connections)`, "{{status}}")),
		lines("Holds and quarantine", told{
			"Mass disappearances that wait, and objects of Ashby's that could not be read and stand in quarantine.",
			"0.", "Holds that stay: decide them. Quarantine that grows: Ashby has changed what it sends.",
		}, units.NoUnit, third, ask(`max(ashbridge_fleet_holds_waiting)`, "holds"), ask(`sum(max by (kind) (ashbridge_fleet_quarantined_rows))`, "in quarantine")),
		ranking("Boards behind", told{
			"Events that a board has not acknowledged, for the ten boards that are furthest behind.",
			"Tens at most, and falling.", "Hundreds for an hour, or growing: that board is away or too slow; tell its people.",
		}, units.Short, third, atMost(100, 1000), ask(`max by (name) (ashbridge_board_pending_events)`, "{{name}}")),
	}
}

func alerts() panels {
	since := list("Firing", told{
		"The alerts of Ashbridge that fire, and since when. A click on the name opens the page that says what to do.",
		"An empty table.", "Any row.",
	}, units.DateTimeFromNow, whole, none(), `1000 * max by (alertname, severity, employer, connection) (
  ALERTS_FOR_STATE{alertname=~"Ashbridge.*"} and ignoring (alertstate) ALERTS{alertstate="firing"})`,
		column{"alertname", "Alert"}, column{"severity", "Severity"}, column{"employer", "Employer"}, column{"connection", "Connection"}, column{"Value", "Since"})
	return panels{
		since.OverrideByName("Alert", []dashboard.DynamicConfigValue{{Id: "links", Value: []map[string]any{{
			"title": "What to do", "targetBlank": true,
			"url": "https://github.com/bebitcoiner/ashbridge/blob/main/ops/runbooks/${__value.raw}.md",
		}}}}),
	}
}
