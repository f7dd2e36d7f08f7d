-- +goose Up

-- Who did what. A row is written before the act and finished after it, so that one which stays 'started' tells of an act
-- whose end nobody knows. No secret, and nothing that was sent, is in it.
CREATE TABLE audit_log (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor_kind  text        NOT NULL CHECK (actor_kind IN ('token', 'environment', 'command')),
    actor_id    text        NOT NULL,
    actor_name  text        NOT NULL,
    -- Empty for commands, which no role binds.
    role        text        NOT NULL,
    action      text        NOT NULL,
    target      text        NOT NULL,
    -- No foreign key: what was done to a connection is told for longer than the connection is kept.
    connection  text        NOT NULL,
    outcome     text        NOT NULL DEFAULT 'started' CHECK (outcome IN ('started', 'done', 'refused', 'failed')),
    -- Of the HTTP answer; NULL until there is one.
    status      integer,
    request_id  text        NOT NULL,
    remote      text        NOT NULL,
    detail      jsonb       NOT NULL CHECK (jsonb_typeof(detail) = 'object'),
    finished_at timestamptz
);
CREATE INDEX audit_log_at ON audit_log (at, id);
CREATE INDEX audit_log_connection ON audit_log (connection, at, id) WHERE connection <> '';

-- +goose Down
DROP TABLE audit_log;
