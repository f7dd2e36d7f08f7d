-- +goose Up

-- Where events are posted to as webhooks. One that is deleted stays, without its secrets, until its deliveries are gone.
CREATE TABLE endpoints (
    id             text        PRIMARY KEY,
    url            text        NOT NULL,
    description    text        NOT NULL DEFAULT '',
    -- The connections whose events it gets; NULL stands for all.
    employers      text[],
    -- Sealed with the keyset, bound to this id. The previous one signs too until previous_until.
    secret         bytea       NOT NULL,
    previous       bytea,
    previous_until timestamptz,
    status         text        NOT NULL CHECK (status IN ('active', 'paused', 'disabled', 'deleted')),
    status_code    text        NOT NULL DEFAULT '',
    status_reason  text        NOT NULL DEFAULT '',
    status_since   timestamptz NOT NULL DEFAULT now(),
    -- Rises with each change that a person makes: what the sender saw before does not count after it.
    revision       bigint      NOT NULL DEFAULT 1,
    -- How it answered of late. failing_since is the first failure since the last success, retry_at before when nothing is
    -- sent.
    failing_since  timestamptz,
    failures       integer     NOT NULL DEFAULT 0,
    retry_at       timestamptz,
    last_success_at timestamptz,
    last_failure_at timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- One event on its way to one endpoint. There is no foreign key: the relay, which makes the rows, is to wait for nobody
-- who changes an endpoint. What is sent is made anew from the log of events; log has what came of the latest attempts.
CREATE TABLE deliveries (
    endpoint_id    text        NOT NULL,
    id             bigint      GENERATED ALWAYS AS IDENTITY,
    connection_id  text        NOT NULL,
    posting_id     text        NOT NULL,
    version        bigint      NOT NULL,
    event_id       uuid        NOT NULL,
    event_created_at timestamptz NOT NULL,
    type           text        NOT NULL,
    published_at   timestamptz NOT NULL,
    state          text        NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'delivered', 'failed', 'superseded')),
    tries          integer     NOT NULL DEFAULT 0,
    first_tried_at timestamptz,
    -- When a pending one is due. One that waits behind an older one of its job is put off, and due when that one is done.
    next_at        timestamptz NOT NULL DEFAULT now(),
    finished_at    timestamptz,
    log            jsonb       NOT NULL DEFAULT '[]',
    PRIMARY KEY (endpoint_id, id),
    -- One delivery for each event and endpoint, whatever is replayed; and the order within a job.
    UNIQUE (endpoint_id, connection_id, posting_id, version)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, next_at, id) WHERE state = 'pending';
-- The oldest of a job that is not done.
CREATE INDEX deliveries_line ON deliveries (endpoint_id, connection_id, posting_id, version) WHERE state = 'pending';
CREATE INDEX deliveries_failed ON deliveries (endpoint_id, connection_id, posting_id) WHERE state = 'failed';
CREATE INDEX deliveries_done ON deliveries (finished_at) WHERE finished_at IS NOT NULL;

-- +goose Down
DROP TABLE deliveries, endpoints;
