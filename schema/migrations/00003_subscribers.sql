-- +goose Up

-- Job boards with an identity of their own at NATS. A row says what the board's consumer is to be; who finds it otherwise
-- makes it so.
CREATE TABLE subscribers (
    id            text        PRIMARY KEY,
    name          text        NOT NULL,
    -- Connections whose events it gets; NULL for all.
    employers     text[],
    -- Rises with each password.
    generation    integer     NOT NULL DEFAULT 1 CHECK (generation > 0),
    -- SHA-256 of the present generation's password, which has 130 random bits.
    password_hash bytea       NOT NULL CHECK (length(password_hash) = 32),
    -- Rises each time the consumer begins anew.
    replay        integer     NOT NULL DEFAULT 1 CHECK (replay > 0),
    start_kind    text        NOT NULL CHECK (start_kind IN ('snapshot', 'time', 'sequence', 'previous')),
    start_time    timestamptz CHECK ((start_kind = 'time') = (start_time IS NOT NULL)),
    start_seq     bigint      CHECK ((start_kind = 'sequence') = (start_seq IS NOT NULL)),
    -- When the consumer was known to be there as this row says.
    made_at       timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    rotated_at    timestamptz,
    revoked_at    timestamptz
);
CREATE INDEX subscribers_active ON subscribers (id) WHERE revoked_at IS NULL;

-- +goose Down
DROP TABLE subscribers;
