-- +goose Up

-- How many messages the stream held when its state was noted, 0 where that is not known: with it, a loss in the middle
-- is noticed that happened while no relay ran.
ALTER TABLE stream_state ADD COLUMN messages bigint NOT NULL DEFAULT 0;

-- The stream is compared with Postgres by versions and ids. To note each event's place in it rewrote the listing with all
-- its indexes, four fifths of what the relay cost Postgres. What is left to know is which closed jobs left the stream:
-- those whose version did.
ALTER TABLE listings ADD COLUMN left_version bigint NOT NULL DEFAULT 0;
UPDATE listings SET left_version = version
WHERE state = 'closed' AND stream_seq = 0 AND updated_at < now() - interval '90 days';
-- The column stays, unused: the program before this one may still run, and writes it with each event that it publishes. A
-- later release drops it.
COMMENT ON COLUMN listings.stream_seq IS 'not used any more; a later release drops it';

-- The latest event of each connection, so that a stream can be rebuilt when the log, kept 30 days, has it no more. Of jobs
-- the listings serve that purpose. The program before this one does not write it: where connections.event_version is
-- higher than what is here, the log has the latest.
CREATE TABLE connection_events (
    connection_id text        PRIMARY KEY REFERENCES connections (id),
    event_id      uuid        NOT NULL,
    created_at    timestamptz NOT NULL,
    version       bigint      NOT NULL,
    type          text        NOT NULL,
    data          json        NOT NULL
);
INSERT INTO connection_events (connection_id, event_id, created_at, version, type, data)
SELECT DISTINCT ON (connection_id) connection_id, id, created_at, version, type, data
FROM events
WHERE posting_id = ''
ORDER BY connection_id, version DESC;

-- +goose Down
DROP TABLE connection_events;
COMMENT ON COLUMN listings.stream_seq IS NULL;
-- The program before this one takes 0 for not in the stream, and any other number for a place in it.
UPDATE listings SET stream_seq = 0 WHERE stream_seq > 0 AND state = 'closed' AND left_version = version;
UPDATE listings SET stream_seq = 1 WHERE stream_seq = 0 AND (state = 'open' OR left_version <> version);
ALTER TABLE listings DROP COLUMN left_version;
ALTER TABLE stream_state DROP COLUMN messages;
