-- +goose Up

-- Tokens of the HTTP API. Of a token only the SHA-256 is kept: it has 130 random bits, so that its bare hash tells nothing.
CREATE TABLE api_tokens (
    id           text        PRIMARY KEY,
    name         text        NOT NULL,
    role         text        NOT NULL CHECK (role IN ('admin', 'operator', 'read-only', 'connect-only')),
    token_hash   bytea       NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    -- The first characters, by which people tell tokens apart.
    hint         text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- Who made it, in words.
    created_by   text        NOT NULL,
    -- To the minute.
    last_used_at timestamptz,
    expires_at   timestamptz,
    revoked_at   timestamptz
);
-- A revoked token gives its name free; one that has expired, as soon as another one asks for the name.
CREATE UNIQUE INDEX api_tokens_active_name ON api_tokens (name) WHERE revoked_at IS NULL;

-- +goose Down
DROP TABLE api_tokens;
