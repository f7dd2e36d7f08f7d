-- +goose Up

-- Processes that seal and open secrets, and the keys that each has in memory, so that a rotation waits for all of them. A
-- key's id is no secret: whatever it sealed begins with it. One that stopped in order has no row any more.
CREATE TABLE keyset_holders (
    owner      text        PRIMARY KEY,
    service    text        NOT NULL,
    host       text        NOT NULL,
    sealing    bigint      NOT NULL,
    keys       bigint[]    NOT NULL,
    -- Why the keyset's file is not taken; empty where it is.
    fault      text        NOT NULL DEFAULT '',
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Rotations of the keyset, by the key that was new in each. From required_at on, no process starts that lacks it.
CREATE TABLE keyset_rotations (
    key         bigint      PRIMARY KEY,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    required_at timestamptz,
    -- When nothing was left that is sealed with an older key, and when the older keys were removed.
    finished_at timestamptz,
    retired_at  timestamptz
);

-- +goose Down
DROP TABLE keyset_rotations, keyset_holders;
