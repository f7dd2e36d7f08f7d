package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

func relay() panels {
	return panels{
		lines("Outbox", told{
			"Committed events that are not yet on the stream, as Postgres counts them, and those that cannot be published.",
			"Near 0.", "A ramp: the relay does not keep up, or NATS is away. Held ones: an event is too large or malformed.",
		}, units.Short, third, ask(`max(ashbridge_fleet_outbox_rows)`, "waiting"), ask(`max(ashbridge_relay_held_events)`, "held")),
		limited(lines("Age of the oldest event", told{
			"How long the oldest event has been waiting in the outbox.",
			"Below a second.", "A ramp: no relay is at work, or NATS does not take its messages.",
		}, units.Seconds, third, ask(`max(ashbridge_fleet_outbox_oldest_seconds)`, "oldest")), atMost(10, 60)),
		lines("Committed → published", told{
			"Our own part of the lag: from the commit in Postgres to the place on the stream.",
			"Milliseconds.", "Seconds: NATS' disk, or the relay compares the whole stream just now.",
		}, units.Seconds, third, ask(worst(0.5, "ashbridge_relay_committed_to_published_seconds", ""), "median"), ask(worst(0.99, "ashbridge_relay_committed_to_published_seconds", ""), "99 %")),
		lines("Who relays", told{
			"The notifier that holds the relay's lease, and that of the webhooks' sender; the others stand by.",
			"Each sums up to 1.", "0: nobody publishes. Changes: see the terms.",
		}, units.NoUnit, third, ask(`max by (instance) (ashbridge_relay_lease_held)`, "relay {{instance}}"), ask(`max by (instance) (ashbridge_webhooks_lease_held)`, "sender {{instance}}")),
		bars("Terms and resynchronisations", told{
			"A minute: how often a notifier became the relay, and how often it read the stream's end to find its place.",
			"None but at a start or an upgrade.", "Constant terms: the lease flaps. Constant readings: publishing fails.",
		}, units.CountsPerMinute, third, ask(`60 * sum(rate(ashbridge_relay_terms_total[$__rate_interval]))`, "terms"), ask(`60 * sum(rate(ashbridge_relay_resyncs_total[$__rate_interval]))`, "readings of the end")),
		bars("Failures of the relay", told{
			"Failed attempts to work a minute, by the part that failed.",
			"None.", "bus: NATS. store: Postgres.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_relay_failures_total", "part"), "{{part}}")),
	}
}

func streams() panels {
	return panels{
		lines("Fill of the streams", told{
			"How full each stream is of what it may hold.",
			"Below 80 %.", "Above 80 %: a full JOBS takes no more events. Give it more room.",
		}, units.PercentUnit, third, ask(`max by (stream) (ashbridge_stream_bytes) / (max by (stream) (ashbridge_stream_max_bytes) > 0)`, "{{stream}}")).Max(1),
		lines("Messages of the streams", told{
			"Messages that each stream holds.",
			"JOBS follows the jobs, HINTS and SPILL are near 0.", "A cliff in JOBS: NATS lost data; the relay mends it by itself.",
		}, units.Short, third, ask(`max by (stream) (ashbridge_stream_messages)`, "{{stream}}")),
		lines("Missing copies", told{
			"Copies of each stream that ought to be there and are not up to date.",
			"0.", "1 of 3: one more loss stops publishing. Look after that server now.",
		}, units.NoUnit, third, ask(`max by (stream) (ashbridge_stream_replicas) - min by (stream) (ashbridge_stream_current_replicas)`, "{{stream}}")),
		bars("Damage found", told{
			"How often the stream was found damaged in each step, by the kind of damage.",
			"None, ever.", "Any: NATS lost or changed data. It is mended from Postgres; find out why it happened.",
		}, units.Short, half, ask(`sum by (kind) (increase(ashbridge_relay_stream_losses_total[$__rate_interval]))`, "{{kind}}")),
		bars("Mended", told{
			"Events published again because the stream had lost them, histories dropped before a gap, and long closed jobs that left the stream.",
			"Only expired ones.", "Repaired ones: see the damage on the left.",
		}, units.Short, half, ask(`sum(increase(ashbridge_relay_repaired_events_total[$__rate_interval]))`, "repaired events"),
			ask(`sum(increase(ashbridge_relay_dropped_histories_total[$__rate_interval]))`, "dropped histories"),
			ask(`sum(increase(ashbridge_relay_expired_total[$__rate_interval]))`, "expired jobs")),
	}
}

func boards() panels {
	return panels{
		lines("Events not yet acknowledged", told{
			"For the ten boards on NATS that are furthest behind.",
			"Near 0, or falling.", "A ramp: that board is away or too slow.",
		}, units.Short, third, ask(`max by (name) (ashbridge_board_pending_events)`, "{{name}}")),
		lines("Boards on NATS", told{
			"Boards that have a consumer of their own, and in each step consumers that NATS had lost, that were made late, or that belonged to nobody.",
			"Only the boards.", "Lost ones: NATS lost data; those boards begin anew.",
		}, units.NoUnit, third, ask(`max(ashbridge_relay_board_subscribers)`, "boards"),
			ask(`sum(increase(ashbridge_relay_board_consumers_lost_total[$__rate_interval]))`, "lost"),
			ask(`sum(increase(ashbridge_relay_board_consumers_finished_total[$__rate_interval]))`, "made late"),
			ask(`sum(increase(ashbridge_relay_board_consumers_removed_total[$__rate_interval]))`, "removed")),
		bars("Logins of boards", told{
			"Logins of boards at NATS a minute, by what became of them.",
			"admitted.", "wrong_password, unknown_user: a board with an old password, or a stranger. unavailable: the gateway could not ask Postgres.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_gateway_board_logins_total", "outcome"), "{{outcome}}")),
		bars("Webhooks to boards", told{
			"Messages sent to boards' endpoints a minute, by what came of them.",
			"delivered.", "Others for one board: its server. For all: our network.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_webhooks_attempts_total", "result"), "{{result}}")),
		lines("Deliveries waiting", told{
			"Deliveries to active endpoints that are not done, and those that were given up in each step.",
			"Near 0.", "A ramp: an endpoint does not answer, or the sender does not keep up. Given up: that board lacks events until a replay.",
		}, units.Short, third, ask(`max(ashbridge_webhooks_waiting)`, "waiting"), ask(`sum(increase(ashbridge_webhooks_deliveries_total{state="failed"}[$__rate_interval]))`, "given up")),
		lines("Oldest delivery", told{
			"Age of the oldest delivery that waits.",
			"Seconds.", "Hours: after 24 it is given up.",
		}, units.Seconds, third, ask(`max(ashbridge_webhooks_oldest_waiting_seconds)`, "oldest")),
		lines("Published → delivered", told{
			"From an event's place on the stream to its delivery at an endpoint.",
			"Milliseconds.", "Minutes: deliveries are tried again and again.",
		}, units.Seconds, third, ask(worst(0.5, "ashbridge_webhooks_published_to_delivered_seconds", ""), "median"), ask(worst(0.99, "ashbridge_webhooks_published_to_delivered_seconds", ""), "99 %")),
		lines("Time of attempts", told{
			"How long endpoints take to answer, slowest hundredth, by whether it was delivered.",
			"Below a second.", "15 s: the limit, after which an attempt has failed.",
		}, units.Seconds, third, ask(worst(0.99, "ashbridge_webhooks_attempt_seconds", "delivered"), "delivered: {{delivered}}")),
		lines("Endpoints by status", told{
			"Endpoints by status; those that always fail are paused, those that say 410 are disabled.",
			"active.", "paused or disabled: tell that board's people; nothing is sent to it.",
		}, units.NoUnit, third, ask(`max by (status) (ashbridge_webhooks_endpoints)`, "{{status}}")),
	}
}

func records() panels {
	return panels{
		lines("Records waiting", told{
			"Changed records that are not yet on the stream RECORDS; a look sees 250 at most. Empty where ASHBRIDGE_RECORD_EVENTS is off.",
			"Near 0.", "250 for long: the relay of records does not keep up.",
		}, units.Short, third, ask(`max(ashbridge_relay_record_outbox_rows)`, "waiting")),
		lines("Records behind", told{
			"Time since no changed record was waiting. Empty where ASHBRIDGE_RECORD_EVENTS is off.",
			"Seconds.", "A ramp.",
		}, units.Seconds, third, ask(`max(ashbridge_relay_record_behind_seconds)`, "behind")),
		bars("Records published", told{
			"States of records published a minute, by type. Empty where ASHBRIDGE_RECORD_EVENTS is off.",
			"What the employers change.", "Failures, or a stream that is filled anew again and again.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_relay_records_published_total", "type"), "{{type}}"),
			ask(`60 * sum(rate(ashbridge_relay_record_failures_total[$__rate_interval]))`, "failures"),
			ask(`60 * sum(rate(ashbridge_relay_record_rebuilds_total[$__rate_interval]))`, "filled anew")),
	}
}

func database() panels {
	const pool = `{db_name="ashbridge"}`
	return panels{
		lines("Pool: connections in use", told{
			"Share of each process' connections to Postgres that are in use, of the most it may have.",
			"Below 80 %.", "100 % for long: requests wait for a connection. Raise ASHBRIDGE_DATABASE_MAX_CONNS or find what is slow.",
		}, units.PercentUnit, third, ask(`max by (service, instance) (go_sql_in_use_connections`+pool+`) / max by (service, instance) (go_sql_max_open_connections`+pool+`)`, "{{service}} {{instance}}")).Max(1),
		lines("Pool: open connections", told{
			"Connections to Postgres that each process has, used or not.",
			"Well below Postgres' max_connections in sum.", "A sum near max_connections: other processes cannot connect.",
		}, units.NoUnit, third, ask(`max by (service, instance) (go_sql_open_connections`+pool+`)`, "{{service}} {{instance}}")),
		lines("Pool: waiting", told{
			"Seconds that work of each process waited for a connection, a second.",
			"0.", "Above 1: on average somebody waits at every moment.",
		}, units.Seconds, third, ask(`sum by (service, instance) (rate(go_sql_wait_duration_seconds_total`+pool+`[$__rate_interval]))`, "{{service}} {{instance}}")),
		lines("Size of the database", told{
			"What the database takes on Postgres' disk.",
			"A slow rise that ends after 30 days, the events' retention.", "A steep rise: see which employer makes the events.",
		}, units.BytesIEC, third, ask(`max(ashbridge_fleet_database_bytes)`, "database")),
		lines("Age of the fleet's figures", told{
			"How long ago the notifier read what the fleet's panels show.",
			"Below 20 s.", "More: Postgres answers slowly or no notifier has the lease, and the figures of Overview are old.",
		}, units.Seconds, third, ask(`time() - max(ashbridge_fleet_refreshed_timestamp_seconds)`, "age")),
		bars("Commits of events", told{
			"Job events committed a minute, by how the change was found, and changed records.",
			"What the employers change.", "A wall: a first synchronisation, or a change of Ashby's that touches every job.",
		}, units.CountsPerMinute, third, ask(perMinute("ashbridge_syncer_events_total", "origin"), "{{origin}}"), ask(`60 * sum(rate(ashbridge_syncer_records_total[$__rate_interval]))`, "records")),
	}
}

func bus() panels {
	return panels{
		lines("Connected to NATS", told{
			"1 while a process is connected to NATS.",
			"All 1.", "0: events and hints wait; webhooks are still taken.",
		}, units.NoUnit, half, ask(`min by (service, instance) (ashbridge_nats_connected)`, "{{service}} {{instance}}")).Max(1),
		bars("Reconnections", told{
			"How often each process had to connect anew, in each step.",
			"None but when a NATS server is restarted.", "Constant ones: the network, or a server that is overloaded.",
		}, units.Short, half, ask(`sum by (service, instance) (increase(ashbridge_nats_reconnects_total[$__rate_interval]))`, "{{service}} {{instance}}")),
	}
}

func runtime() panels {
	const ours = `{job="ashbridge"}`
	return panels{
		lines("Processor", told{
			"Processors that each process keeps busy.",
			"Below what it was given.", "At its limit: everything becomes slow. Give it more, or another replica.",
		}, units.Short, third, ask(`sum by (service, instance) (rate(process_cpu_seconds_total`+ours+`[$__rate_interval]))`, "{{service}} {{instance}}")),
		lines("Memory", told{
			"Resident memory of each process.",
			"A plateau.", "A ramp towards its limit: the process will be killed.",
		}, units.BytesIEC, third, ask(`max by (service, instance) (process_resident_memory_bytes`+ours+`)`, "{{service}} {{instance}}")),
		lines("Heap in use", told{
			"What Go's heap holds.",
			"A saw with level teeth.", "A base that rises for days: a leak.",
		}, units.BytesIEC, third, ask(`max by (service, instance) (go_memstats_heap_inuse_bytes`+ours+`)`, "{{service}} {{instance}}")),
		lines("Goroutines", told{
			"Goroutines of each process.",
			"A plateau.", "A ramp: work piles up or leaks.",
		}, units.Short, third, ask(`max by (service, instance) (go_goroutines`+ours+`)`, "{{service}} {{instance}}")),
		lines("Pauses of the garbage collector", told{
			"Share of the time in which a process stands still for the collector.",
			"Far below 1 %.", "Percents: too little memory.",
		}, units.PercentUnit, third, ask(`sum by (service, instance) (rate(go_gc_duration_seconds_sum`+ours+`[$__rate_interval]))`, "{{service}} {{instance}}")),
		lines("Open files", told{
			"Share of the files and connections that each process may have open.",
			"Below 50 %.", "Near 100 %: new connections are refused. Raise the limit.",
		}, units.PercentUnit, third, ask(`max by (service, instance) (process_open_fds`+ours+`) / max by (service, instance) (process_max_fds`+ours+`)`, "{{service}} {{instance}}")).Max(1),
		lines("Free disk", told{
			"Share of the disk that is free where a process keeps data of its own, which is the case with `ashbridge up`.",
			"Above 20 %.", "Below 15 %: on a full disk Postgres and NATS take nothing more.",
		}, units.PercentUnit, half, ask(`min by (instance, path) (ashbridge_disk_free_bytes / ashbridge_disk_size_bytes)`, "{{instance}} {{path}}")).Max(1),
		lines("Network of the processes", told{
			"Bytes that each process received and sent, a second.",
			"What the traffic explains.", "Far more than that.",
		}, units.BytesPerSecondSI, half, ask(`sum by (service, instance) (rate(process_network_receive_bytes_total`+ours+`[$__rate_interval]))`, "received {{service}} {{instance}}"),
			ask(`sum by (service, instance) (rate(process_network_transmit_bytes_total`+ours+`[$__rate_interval]))`, "sent {{service}} {{instance}}")),
	}
}
