-- +goose Up

-- What kind of reason a status has, as a word; status_reason is the sentence.
ALTER TABLE connections ADD COLUMN status_code text NOT NULL DEFAULT '';

-- poll_requested_at: somebody asked for a poll out of turn. next_records_at: when the next slice of what is not polled is
-- due. reread_until: the unchanged postings whose minute of the day lies before are read again already.
ALTER TABLE sync_state
    ADD COLUMN poll_requested_at timestamptz,
    ADD COLUMN next_records_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN reread_until timestamptz;
CREATE INDEX sync_state_records_due ON sync_state (next_records_at);

-- When a service last showed that it is at work, whatever its replicas. A gap was an outage of ours.
CREATE TABLE heartbeats (
    service text        PRIMARY KEY,
    at      timestamptz NOT NULL
);

-- A module whose permission is missing pauses alone.
CREATE TABLE module_state (
    connection_id text        NOT NULL REFERENCES connections (id),
    module        text        NOT NULL,
    state         text        NOT NULL CHECK (state IN ('active', 'paused')),
    reason        text        NOT NULL DEFAULT '',
    since         timestamptz NOT NULL DEFAULT now(),
    -- When everything of the module had been read for the first time.
    complete_at   timestamptz,
    PRIMARY KEY (connection_id, module)
);

-- A token belongs to one listing; some kinds have several, told apart by their variant.
ALTER TABLE sync_tokens ADD COLUMN variant text NOT NULL DEFAULT '';
ALTER TABLE sync_tokens DROP CONSTRAINT sync_tokens_pkey;
ALTER TABLE sync_tokens ADD PRIMARY KEY (connection_id, kind, variant);

-- A reading of a listing that takes several pages, and where it stands: what was read is stored with the cursor that
-- follows it. A sweep is a full reading beside the incremental ones, which finds what is gone.
CREATE TABLE passes (
    connection_id text        NOT NULL REFERENCES connections (id),
    kind          text        NOT NULL,
    variant       text        NOT NULL DEFAULT '',
    sweep         boolean     NOT NULL,
    params_hash   bytea       NOT NULL,
    token         text        NOT NULL DEFAULT '',
    cursor        text        NOT NULL DEFAULT '',
    started_at    timestamptz NOT NULL,
    pages         integer     NOT NULL DEFAULT 0,
    rows_read     integer     NOT NULL DEFAULT 0,
    bad           integer     NOT NULL DEFAULT 0,
    -- All pages are read; what is left is to look after what they lacked.
    read_all      boolean     NOT NULL DEFAULT FALSE,
    PRIMARY KEY (connection_id, kind, variant, sweep)
);

-- What the pages of a full pass showed, remembered until its end. The records themselves are not written.
CREATE TABLE pass_pages (
    connection_id text        NOT NULL REFERENCES connections (id),
    kind          text        NOT NULL,
    variant       text        NOT NULL,
    sweep         boolean     NOT NULL,
    page          integer     NOT NULL,
    ids           text[]      NOT NULL,
    PRIMARY KEY (connection_id, kind, variant, sweep, page)
);

-- When a listing was last read in full, and which records it lacked then that are not confirmed to be gone.
CREATE TABLE sweeps (
    connection_id text        NOT NULL REFERENCES connections (id),
    kind          text        NOT NULL,
    variant       text        NOT NULL DEFAULT '',
    finished_at   timestamptz NOT NULL,
    absent        text[]      NOT NULL DEFAULT '{}',
    PRIMARY KEY (connection_id, kind, variant)
);

-- Parents that changed since their children of a kind were read. A parent that changes again gets another mark.
CREATE TABLE stale_parents (
    connection_id text        NOT NULL REFERENCES connections (id),
    kind          text        NOT NULL,
    parent_id     text        NOT NULL,
    mark          bigint      GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (connection_id, kind, parent_id)
);
CREATE INDEX stale_parents_order ON stale_parents (connection_id, mark);

-- Records of opt-in modules hold candidates' and employees' data: their documents are sealed. One that is gone keeps
-- none. version and changed_at rise with every write.
ALTER TABLE records ALTER COLUMN doc DROP NOT NULL;
ALTER TABLE records
    ADD COLUMN sealed     bytea,
    ADD COLUMN parent_id  text        NOT NULL DEFAULT '',
    ADD COLUMN variant    text        NOT NULL DEFAULT '',
    ADD COLUMN version    bigint      NOT NULL DEFAULT 1,
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now(),
    ADD CONSTRAINT records_one_form CHECK ((doc IS NULL) <> (sealed IS NULL));
-- The id is no key column: with it, a planner without statistics takes this index for look-ups of the primary key.
CREATE INDEX records_feed ON records (connection_id, kind, changed_at) INCLUDE (id);
CREATE INDEX records_children ON records (connection_id, kind, parent_id) WHERE parent_id <> '';

-- Records whose change is not yet told on the stream RECORDS. One row a record: the present state is what is told.
CREATE TABLE record_outbox (
    id            bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    connection_id text        NOT NULL,
    kind          text        NOT NULL,
    record_id     text        NOT NULL,
    PRIMARY KEY (connection_id, kind, record_id)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

-- Whose records the stream RECORDS must forget; an empty kind stands for all.
CREATE TABLE record_purges (
    connection_id text        NOT NULL,
    kind          text        NOT NULL DEFAULT '',
    asked_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection_id, kind)
);

-- Holds are kept with how they ended. At most one of a connection is not ended.
ALTER TABLE holds DROP CONSTRAINT holds_pkey;
ALTER TABLE holds
    ADD COLUMN id         text        NOT NULL DEFAULT gen_random_uuid()::text,
    ADD COLUMN state      text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'rejected', 'ended')),
    ADD COLUMN outcome    text        NOT NULL DEFAULT '',
    ADD COLUMN note       text        NOT NULL DEFAULT '',
    ADD COLUMN opened_at  timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN decided_at timestamptz,
    ADD COLUMN ended_at   timestamptz,
    ADD PRIMARY KEY (id);
UPDATE holds SET opened_at = created_at;
CREATE UNIQUE INDEX holds_current ON holds (connection_id) WHERE state <> 'ended';
CREATE INDEX holds_opened ON holds (opened_at, id);

-- Rows of Ashby's that could not be read. Nothing of their contents is kept: the shape is a member's name and JSON type.
CREATE TABLE quarantine (
    connection_id text        NOT NULL REFERENCES connections (id),
    kind          text        NOT NULL,
    id            text        NOT NULL,
    reason        text        NOT NULL,
    shape         json        NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at  timestamptz NOT NULL DEFAULT now(),
    times         integer     NOT NULL DEFAULT 1,
    PRIMARY KEY (connection_id, kind, id)
);

-- What was read, why, and how it ended.
CREATE TABLE runs (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id text        NOT NULL REFERENCES connections (id),
    trigger       text        NOT NULL,
    task          text        NOT NULL,
    object_id     text        NOT NULL DEFAULT '',
    started_at    timestamptz NOT NULL,
    finished_at   timestamptz NOT NULL,
    outcome       text        NOT NULL,
    reason        text        NOT NULL DEFAULT '',
    requests      integer     NOT NULL DEFAULT 0,
    rows_read     integer     NOT NULL DEFAULT 0,
    changed       integer     NOT NULL DEFAULT 0,
    events        integer     NOT NULL DEFAULT 0,
    request_ids   text[]      NOT NULL DEFAULT '{}'
);
CREATE INDEX runs_connection ON runs (connection_id, id);
CREATE INDEX runs_age ON runs (finished_at);

-- What changed of a job with each version, field by field. It outlives the log of events.
CREATE TABLE job_history (
    connection_id text        NOT NULL REFERENCES connections (id),
    posting_id    text        NOT NULL,
    version       bigint      NOT NULL,
    event_id      uuid        NOT NULL,
    type          text        NOT NULL,
    origin        text        NOT NULL,
    reason        text        NOT NULL DEFAULT '',
    changes       json        NOT NULL,
    changed_at    timestamptz NOT NULL,
    observed_at   timestamptz NOT NULL,
    recorded_at   timestamptz NOT NULL,
    PRIMARY KEY (connection_id, posting_id, version)
);
CREATE INDEX job_history_age ON job_history (recorded_at);

-- Of the changes that were found: how many had come by webhook, and how many only a poll found.
CREATE TABLE webhook_coverage (
    connection_id   text        NOT NULL REFERENCES connections (id),
    action          text        NOT NULL,
    by_webhook      bigint      NOT NULL DEFAULT 0,
    by_poll         bigint      NOT NULL DEFAULT 0,
    last_webhook_at timestamptz,
    last_missed_at  timestamptz,
    PRIMARY KEY (connection_id, action)
);

-- Settings that were made through Ashby's API have an id there.
ALTER TABLE webhook_setup
    ADD COLUMN setting_id text        NOT NULL DEFAULT '',
    ADD COLUMN enabled    boolean,
    ADD COLUMN checked_at timestamptz,
    ADD COLUMN problem    text        NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE webhook_setup DROP COLUMN setting_id, DROP COLUMN enabled, DROP COLUMN checked_at, DROP COLUMN problem;
DROP TABLE webhook_coverage, job_history, runs, quarantine, record_purges, record_outbox, stale_parents, sweeps, pass_pages,
    passes, module_state, heartbeats;
DELETE FROM holds WHERE state = 'ended';
DROP INDEX holds_current, holds_opened;
ALTER TABLE holds DROP CONSTRAINT holds_pkey;
ALTER TABLE holds DROP COLUMN id, DROP COLUMN state, DROP COLUMN outcome, DROP COLUMN note, DROP COLUMN opened_at,
    DROP COLUMN decided_at, DROP COLUMN ended_at, ADD PRIMARY KEY (connection_id);
DELETE FROM records WHERE doc IS NULL;
DROP INDEX records_feed, records_children;
ALTER TABLE records DROP CONSTRAINT records_one_form;
ALTER TABLE records DROP COLUMN sealed, DROP COLUMN parent_id, DROP COLUMN variant, DROP COLUMN version, DROP COLUMN changed_at,
    ALTER COLUMN doc SET NOT NULL;
DELETE FROM sync_tokens WHERE variant <> '';
ALTER TABLE sync_tokens DROP CONSTRAINT sync_tokens_pkey;
ALTER TABLE sync_tokens DROP COLUMN variant, ADD PRIMARY KEY (connection_id, kind);
DROP INDEX sync_state_records_due;
ALTER TABLE sync_state DROP COLUMN poll_requested_at, DROP COLUMN next_records_at, DROP COLUMN reread_until;
ALTER TABLE connections DROP COLUMN status_code;
