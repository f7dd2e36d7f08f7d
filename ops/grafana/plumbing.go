package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// plumbing answers: which part is in trouble? Its sections follow the way of the data.
func plumbing() board {
	return board{
		file: "plumbing.json", uid: uidPlumbing, title: "Ashbridge / Plumbing", from: "now-3h",
		about: "Every part on the way from Ashby to the boards, and what they stand on: for finding out why, once Overview shows that.",
		sections: []section{
			{"Processes", processes()},
			{"Gateway: webhooks and requests", gateway()},
			{"Inbox and hints", inbox()},
			{"Syncers and leases", syncers()},
			{"Ashby and the limiter", limiter()},
			{"Outbox and relay", relay()},
			{"Streams", streams()},
			{"Boards", boards()},
			{"Records", records()},
			{"PostgreSQL", database()},
			{"NATS", bus()},
			{"Go runtime and machine", runtime()},
		},
	}
}

// worst is a quantile of a histogram's values, by a label where one is named.
func worst(q float64, metric, by string) string {
	labels := "le"
	if by != "" {
		labels += ", " + by
	}
	return fmt.Sprintf(`histogram_quantile(%g, sum by (%s) (rate(%s_bucket[$__rate_interval])))`, q, labels, metric)
}

// perMinute is how often something happened, by a label.
func perMinute(metric, by string) string {
	return fmt.Sprintf(`60 * sum by (%s) (rate(%s[$__rate_interval]))`, by, metric)
}

func processes() panels {
	return panels{
		figure("Processes up", told{
			"The share of Ashbridge's processes that Prometheus can ask.",
			"100 %.", "Less: a process is gone, or its admin address is out of reach.",
		}, units.PercentUnit, sixth, atLeast(0.99, 1), ask(`avg(up{job="ashbridge"})`, "")).Height(tall),
		lines("Readiness", told{
			"Each process' checks: 1 while they hold.",
			"All 1.", "A check at 0 names what the process is waiting for: it gets no work meanwhile.",
		}, units.NoUnit, third, ask(`min by (service, check) (ashbridge_ready)`, "{{service}} {{check}}")).Max(1),
		lines("Time since the start", told{
			"How long each process has been running.",
			"Lines that climb.", "Saws: a process starts again and again.",
		}, units.Seconds, sixth, ask(`time() - max by (service, instance) (process_start_time_seconds{job="ashbridge"})`, "{{service}} {{instance}}")),
		list("Versions", told{
			"Which versions run, and how many processes of each service.",
			"One version, except during an upgrade.", "Two for long: an upgrade has stopped half-way.",
		}, units.NoUnit, third, none(), `count by (service, version, goversion) (ashbridge_build_info)`,
			column{"service", "Service"}, column{"version", "Version"}, column{"goversion", "Go"}, column{"Value", "Processes"}),
	}
}

func gateway() panels {
	return panels{
		bars("Requests", told{
			"HTTP requests a minute, by class of answer.",
			"2xx and 4xx of clients.", "5xx: we could not answer. Ashby tries a webhook again, but only for about three hours.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_gateway_requests_total", "status"), "{{status}}")),
		lines("Time of answers", told{
			"Slowest hundredth of the answers by route, of the five slowest routes.",
			"Below 0.1 s for webhooks.", "Seconds: Postgres, or too few gateways. Ashby gives up a webhook after some seconds.",
		}, units.Seconds, third, ask(`topk(5, `+worst(0.99, "ashbridge_gateway_request_seconds", "route")+` > 0)`, "{{route}}")),
		bars("Webhooks by outcome", told{
			"Ashby's webhooks a minute, by what became of them.",
			"accepted, uninteresting, ping.", "queue_full and unavailable: answered 503. spilled: stored in NATS, since Postgres is away.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_gateway_webhooks_total", "outcome"), "{{outcome}}")),
		lines("Commits of webhooks", told{
			"Time until webhooks are safe in Postgres; those that arrive meanwhile share the next commit.",
			"Milliseconds.", "Above 0.1 s: Postgres' disk, or a lock.",
		}, units.Seconds, third, ask(worst(0.5, "ashbridge_gateway_commit_seconds", ""), "median"), ask(worst(0.99, "ashbridge_gateway_commit_seconds", ""), "99 %")),
		lines("Commit queue and failures", told{
			"Webhooks that waited when the latest commit began, and commits that failed a minute.",
			"Near 0.", "Hundreds waiting: a burst, or a slow Postgres. Any failure: see the gateway's log.",
		}, units.Short, third, ask(`max by (instance) (ashbridge_gateway_commit_queue)`, "waiting {{instance}}"), ask(`60 * sum(rate(ashbridge_gateway_commit_errors_total[$__rate_interval]))`, "failed a minute")),
		lines("Spill", told{
			"Webhooks that are stored in NATS because Postgres was away, and how many a minute move to the inbox.",
			"0.", "Stored ones that stay: the gateway cannot drain them. Failures: see its log.",
		}, units.Short, third, ask(`max(ashbridge_stream_messages{stream="SPILL"})`, "stored"),
			ask(`60 * sum(rate(ashbridge_gateway_spill_drained_total[$__rate_interval]))`, "moved a minute"),
			ask(`60 * sum(rate(ashbridge_gateway_spill_errors_total[$__rate_interval]))`, "failures a minute")),
		bars("Lookups of webhook addresses", told{
			"How the gateway found out whose webhook it is, a minute.",
			"cached.", "unknown: somebody guesses, or Ashby still has an old address. failed: Postgres.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_gateway_endpoint_lookups_total", "outcome"), "{{outcome}}")),
		bars("Refused tokens", told{
			"Requests a minute with an API token that is not accepted, by reason.",
			"None.", "Many: somebody guesses, or a program has an old token.",
		}, units.CountsPerMinute, third, ask(`60 * sum by (reason) (rate(ashbridge_gateway_token_failures_total[$__rate_interval]))`, "{{reason}}")),
		bars("Feeds", told{
			"Requests for feeds a minute, by what became of them.",
			"sent, not_modified, head.", "busy: too many readers at once. cut_short: slow readers, or Postgres.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_gateway_feeds_total", "outcome"), "{{outcome}}")),
	}
}

func inbox() panels {
	return panels{
		lines("Webhooks not yet answered by a read", told{
			"Webhooks in the inbox whose object was not read from Ashby since.",
			"Near 0.", "A ramp: the syncers do not keep up, or Ashby does not answer.",
		}, units.Short, third, ask(`max(ashbridge_fleet_inbox_rows)`, "waiting")),
		limited(lines("Oldest of them", told{
			"Age of the oldest webhook that waits.",
			"Seconds.", "Above a minute, the dashed line: that employer is not fresh.",
		}, units.Seconds, third, ask(`max(ashbridge_fleet_inbox_oldest_seconds)`, "oldest")), atMost(60, 300)),
		lines("Hints", told{
			"Hints from gateway to syncers a minute by what became of them, and those that a syncer found in the inbox because the hint was lost.",
			"published alone.", "failed or dropped: NATS is away; nothing is lost, but it takes seconds longer. swept that stay: hints get lost.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_gateway_hints_total", "outcome"), "{{outcome}}"),
			ask(`60 * sum(rate(ashbridge_syncer_swept_hints_total[$__rate_interval]))`, "swept"),
			ask(`60 * sum(rate(ashbridge_syncer_direct_hints_total[$__rate_interval]))`, "without the bus"),
			ask(`60 * sum(rate(ashbridge_syncer_crowded_hints_total[$__rate_interval]))`, "put off")),
	}
}

func syncers() panels {
	return panels{
		lines("Partitions by syncer", told{
			"How the 64 partitions are spread over the syncers, and how many nobody holds.",
			"Even shares, none free.", "Free ones for more than a lease's time: their employers are read by nobody.",
		}, units.NoUnit, third, ask(`max by (instance) (ashbridge_syncer_partitions)`, "{{instance}}"), ask(`max(ashbridge_fleet_partitions{state="free"})`, "free")),
		bars("Changes of leases", told{
			"Partitions taken, lost and given back, a minute.",
			"None but at a start, a stop or an upgrade.", "Constant changes: syncers lose their leases, because Postgres is slow or they are starved.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_syncer_lease_changes_total", "change"), "{{change}}")),
		lines("Syncers and connections in memory", told{
			"Syncers that are alive, and connections that they keep in memory because of recent work.",
			"As many syncers as are meant to run.", "Fewer: one is gone or cannot reach Postgres.",
		}, units.NoUnit, third, ask(`max(ashbridge_fleet_syncers)`, "syncers"), ask(`sum(ashbridge_syncer_desks)`, "connections in memory")),
		bars("Polls", told{
			"Comparisons with Ashby a minute, by how they ended.",
			"ok.", "store_unavailable: Postgres. unavailable, rate_limited: Ashby. unauthorized: keys. implausible: holds.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_syncer_polls_total", "outcome"), "{{outcome}}")),
		lines("Time of polls", told{
			"How long a comparison takes.",
			"Seconds, minutes for a first one.", "Near the interval: the pace of a key does not suffice for its size.",
		}, units.Seconds, third, ask(worst(0.5, "ashbridge_syncer_poll_seconds", ""), "median"), ask(worst(0.99, "ashbridge_syncer_poll_seconds", ""), "99 %")),
		bars("Refreshes", told{
			"Readings of single objects a minute, most of them for webhooks, by how they ended.",
			"ok, skipped.", "braked: Ashby does not answer for that employer. Others: as with polls.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_syncer_refreshes_total", "outcome"), "{{outcome}}")),
		bars("Slices of other records", told{
			"Parts of the rounds over what is not public jobs, a minute, by how they ended.",
			"ok, and nothing where only jobs are read.", "unavailable that stays: a listing that Ashby always fails on; see the quarantine.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_syncer_record_slices_total", "outcome"), "{{outcome}}")),
		bars("What was put aside", told{
			"A minute: answers dropped because a newer one was there, closings held, objects that could not be read, runs that were not noted.",
			"A few stale answers under load.", "Bad rows: Ashby has changed what it sends. Lost runs: Postgres.",
		}, units.CountsPerMinute, third, ask(`60 * sum(rate(ashbridge_syncer_stale_answers_total[$__rate_interval]))`, "stale answers"),
			ask(`60 * sum(rate(ashbridge_syncer_held_postings_total[$__rate_interval]))`, "held postings"),
			ask(`60 * sum(rate(ashbridge_syncer_bad_rows_total[$__rate_interval]))`, "bad rows"),
			ask(`60 * sum(rate(ashbridge_syncer_lost_runs_total[$__rate_interval]))`, "lost runs")),
		bars("Failed rounds of the loops", told{
			"Rounds of a syncer's background loops that failed, a minute.",
			"None.", "Any that stay: Postgres or NATS; the log has the cause.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_syncer_loop_errors_total", "loop"), "{{loop}}")),
	}
}

func limiter() panels {
	return panels{
		bars("Requests to Ashby", told{
			"Requests to Ashby a minute, retries included, by outcome.",
			"ok.", "rate_limited: our pace is too high for what Ashby allows. unavailable: Ashby is down. unauthorized: keys.",
		}, units.CountsPerMinute, half, ask(perMinute("ashbridge_syncer_ashby_requests_total", "outcome"), "{{outcome}}")),
		lines("Time of Ashby's answers", told{
			"From the request to its answer.",
			"Below a second.", "Seconds: Ashby is slow, and everything of ours with it.",
		}, units.Seconds, half, ask(worst(0.5, "ashbridge_syncer_ashby_request_seconds", ""), "median"), ask(worst(0.99, "ashbridge_syncer_ashby_request_seconds", ""), "99 %")),
		bars("Requests to Ashby by method", told{
			"The ten methods that are called most, a minute.",
			"jobPosting.list and jobPosting.info.", "One that was never among them.",
		}, units.CountsPerMinute, half, ask(`topk(10, `+perMinute("ashbridge_syncer_ashby_requests_total", "method")+`)`, "{{method}}")),
		lines("Keys by pace", told{
			"Keys that are read at full pace, slowed because Ashby said so, or paused until Ashby allows more.",
			"full.", "slowed or paused ones that stay.",
		}, units.NoUnit, quarter, ask(`sum by (state) (ashbridge_syncer_paced_keys)`, "{{state}}")),
		lines("Lowest pace", told{
			"Requests a minute that the slowest key may make, and whether the brake for all keys is on (drawn at 1).",
			"The configured pace, 900 by default, or nothing while no key has work; no brake.", "Tens: Ashby answers 429. The brake: Ashby limits the partner, not one key.",
		}, units.Short, quarter, ask(`min(ashbridge_syncer_pace_requests_per_minute)`, "requests a minute"), ask(`max(ashbridge_syncer_partner_brake)`, "brake")),
	}
}
