-- +goose Up

-- Work is divided by partition = hash(connection id) mod 64. A row is a lease: whoever holds it runs the
-- partition's polls and hints, and every write carries the epoch, so that a paused former holder cannot write.
CREATE TABLE partitions (
    part       smallint    PRIMARY KEY CHECK (part BETWEEN 0 AND 63),
    owner      text        NOT NULL DEFAULT '',
    epoch      bigint      NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
INSERT INTO partitions (part) SELECT generate_series(0, 63);

-- Syncer replicas that are alive, counted to find each one's fair share of the partitions.
CREATE TABLE replicas (
    owner      text        PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

-- Leases of things there is one of, such as the relay.
CREATE TABLE leases (
    name       text        PRIMARY KEY,
    owner      text        NOT NULL,
    epoch      bigint      NOT NULL,
    expires_at timestamptz NOT NULL
);

-- One employer's Ashby account. Rows are never deleted: a removed connection still answers 410 on its hooks.
CREATE TABLE connections (
    id              text        PRIMARY KEY,
    part            smallint    NOT NULL REFERENCES partitions (part),
    employer_ref    text        NOT NULL,
    employer_name   text        NOT NULL,
    status          text        NOT NULL CHECK (status IN ('active', 'degraded', 'unauthorized', 'paused', 'removed')),
    status_reason   text        NOT NULL DEFAULT '',
    status_since    timestamptz NOT NULL DEFAULT now(),
    modules         text[]      NOT NULL,
    poll_interval_s integer     NOT NULL CHECK (poll_interval_s > 0),
    key_fingerprint bytea,
    key_last4       text        NOT NULL DEFAULT '',
    report          json        NOT NULL,
    webhook_token   text        NOT NULL UNIQUE,
    secret_changed_at timestamptz NOT NULL DEFAULT now(),
    event_version   bigint      NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    removed_at      timestamptz
);
CREATE UNIQUE INDEX connections_employer_ref ON connections (employer_ref) WHERE status <> 'removed';
CREATE UNIQUE INDEX connections_key_fingerprint ON connections (key_fingerprint) WHERE status <> 'removed';
CREATE INDEX connections_part ON connections (part) WHERE status <> 'removed';

-- Sealed with the keyset; the associated data is connection and kind, so a row moved elsewhere does not open.
CREATE TABLE secrets (
    connection_id text        NOT NULL REFERENCES connections (id),
    kind          text        NOT NULL CHECK (kind IN ('api_key', 'webhook_secret', 'webhook_secret_previous')),
    sealed        bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection_id, kind)
);

-- What changes with every poll, apart from connections so that its index entries stay put.
CREATE TABLE sync_state (
    connection_id     text        PRIMARY KEY REFERENCES connections (id),
    next_poll_at      timestamptz NOT NULL,
    poll_started_at   timestamptz,
    poll_finished_at  timestamptz,
    first_synced_at   timestamptz,
    last_verified_at  timestamptz,
    postings_at_ashby integer     NOT NULL DEFAULT 0,
    progress_done     integer     NOT NULL DEFAULT 0,
    progress_total    integer     NOT NULL DEFAULT 0,
    last_error        text        NOT NULL DEFAULT '',
    failures          integer     NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE INDEX sync_state_due ON sync_state (next_poll_at);

CREATE TABLE sync_tokens (
    connection_id text        NOT NULL REFERENCES connections (id),
    kind          text        NOT NULL,
    params_hash   bytea       NOT NULL,
    token         text        NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection_id, kind)
);

-- Which webhook settings the employer has made in Ashby, as far as a ping or a delivery showed.
CREATE TABLE webhook_setup (
    connection_id text        NOT NULL REFERENCES connections (id),
    action        text        NOT NULL,
    pinged_at     timestamptz,
    last_seen_at  timestamptz,
    PRIMARY KEY (connection_id, action)
);

-- A row committed here is what a 200 means. Ids only: no body is kept. One that comes again is open again, under a new
-- id. Ashby does not promise that one action of a webhook means one object, so the object is a part of the key. The insert joins the connection's row itself; a
-- foreign key would look it up again for every row and lock it against each concurrent commit.
CREATE TABLE webhook_inbox (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id text        NOT NULL,
    part          smallint    NOT NULL,
    action        text        NOT NULL,
    dedupe        text        NOT NULL,
    kind          text        NOT NULL,
    object_id     text        NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    processed_at  timestamptz,
    UNIQUE (connection_id, action, dedupe, object_id)
);
CREATE INDEX webhook_inbox_open ON webhook_inbox (connection_id, kind, object_id) WHERE processed_at IS NULL;
CREATE INDEX webhook_inbox_overdue ON webhook_inbox (received_at) WHERE processed_at IS NULL;
CREATE INDEX webhook_inbox_done ON webhook_inbox (processed_at) WHERE processed_at IS NOT NULL;

-- The mirror: what Ashby answered, with employees' personal fields dropped on arrival.
CREATE TABLE records (
    connection_id text        NOT NULL REFERENCES connections (id),
    kind          text        NOT NULL,
    id            text        NOT NULL,
    doc           jsonb       NOT NULL,
    hash          bytea       NOT NULL,
    list_hash     bytea,
    ashby_updated_at timestamptz,
    fetched_at    timestamptz NOT NULL,
    gone_at       timestamptz,
    PRIMARY KEY (connection_id, kind, id)
);
CREATE INDEX records_present ON records (connection_id, kind) WHERE gone_at IS NULL;
-- Which postings a changed job or location touches, without reading every posting's text.
CREATE INDEX records_posting_job ON records (connection_id, (doc ->> 'jobId')) WHERE kind = 'posting';
CREATE INDEX records_posting_locations ON records USING gin ((doc -> 'locationIds') jsonb_path_ops)
    WHERE kind = 'posting';

-- The public state of each posting that ever was public, and the version of its latest event.
CREATE TABLE listings (
    connection_id text        NOT NULL REFERENCES connections (id),
    posting_id    text        NOT NULL,
    state         text        NOT NULL CHECK (state IN ('open', 'closed')),
    version       bigint      NOT NULL CHECK (version > 0),
    job           json        NOT NULL,
    hash          bytea       NOT NULL,
    translator    text        NOT NULL,
    reason        text        NOT NULL DEFAULT '',
    changed_at    timestamptz NOT NULL,
    observed_at   timestamptz NOT NULL,
    event_id      uuid        NOT NULL,
    event_created_at timestamptz NOT NULL,
    stream_seq    bigint      NOT NULL DEFAULT 0,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (connection_id, posting_id)
) WITH (fillfactor = 85);
CREATE INDEX listings_feed ON listings (updated_at, connection_id, posting_id);
CREATE INDEX listings_connection_feed ON listings (connection_id, updated_at, posting_id);
CREATE INDEX listings_open ON listings (connection_id) WHERE state = 'open';
-- Which jobs were closed long ago. Without stream_seq, which would keep its updates from being heap-only.
CREATE INDEX listings_closed ON listings (updated_at) WHERE state = 'closed';
CREATE INDEX listings_posting ON listings (posting_id);

-- A mass disappearance that waits for a second listing (or an operator) before anything closes.
CREATE TABLE holds (
    connection_id text        PRIMARY KEY REFERENCES connections (id),
    posting_ids   text[]      NOT NULL,
    public_count  integer     NOT NULL,
    reason        text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- The append-only log of events, by day, kept 30 days; the stream can be rebuilt from it.
CREATE TABLE events (
    id            uuid        NOT NULL,
    created_at    timestamptz NOT NULL,
    connection_id text        NOT NULL,
    posting_id    text        NOT NULL DEFAULT '',
    version       bigint      NOT NULL,
    type          text        NOT NULL,
    data          json        NOT NULL,
    PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX events_object ON events (connection_id, posting_id, version);

-- What is committed and not yet on the stream. Read in id order by one relay; a listing's row is locked before its
-- outbox row is inserted, so id order is version order per job.
CREATE TABLE outbox (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id         uuid        NOT NULL,
    event_created_at timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

-- What the relay last saw of the stream, so that a loss is noticed.
CREATE TABLE stream_state (
    stream     text        PRIMARY KEY,
    created_at timestamptz NOT NULL,
    last_seq   bigint      NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE stream_state, outbox, events, holds, listings, records, webhook_inbox, webhook_setup, sync_tokens,
    sync_state, secrets, connections, leases, replicas, partitions;
