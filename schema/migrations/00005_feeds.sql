-- +goose Up

-- A document of open public jobs that a board fetches at a secret address. Of the address only the SHA-256 is kept.
CREATE TABLE feeds (
    id           text        PRIMARY KEY,
    name         text        NOT NULL,
    -- Connections whose jobs it shows; NULL stands for all, those that come later too.
    employers    text[]      CHECK (cardinality(employers) > 0),
    token_hash   bytea       NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at   timestamptz NOT NULL DEFAULT now(),
    rotated_at   timestamptz,
    last_read_at timestamptz
);

-- In place of one without posting and version: what is open in which version is answered, and walked in order, without
-- the rows. version changes only with updated_at, which is indexed already, so no update becomes dearer.
CREATE INDEX listings_open_versions ON listings (connection_id, posting_id) INCLUDE (version) WHERE state = 'open';
DROP INDEX listings_open;

-- +goose Down
CREATE INDEX listings_open ON listings (connection_id) WHERE state = 'open';
DROP INDEX listings_open_versions;
DROP TABLE feeds;
