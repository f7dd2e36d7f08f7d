-- The board's tables, made at each start where they are missing. They have a schema of their own, so that the board may
-- share a database.
CREATE SCHEMA IF NOT EXISTS jobboard;

-- A row is a job in its latest state, open or closed.
CREATE TABLE IF NOT EXISTS jobboard.jobs (
    connection      text        NOT NULL COLLATE "C",
    posting         text        NOT NULL COLLATE "C",
    version         bigint      NOT NULL,
    is_open         boolean     NOT NULL,
    reason          text        NOT NULL,
    posted_at       timestamptz NOT NULL,
    employer        text        NOT NULL,
    employer_name   text        NOT NULL,
    department      text        NOT NULL,
    locations       text[]      NOT NULL,
    workplace_type  text        NOT NULL,
    employment_type text        NOT NULL,
    -- What words are looked for in, in lower case. A board of some 100,000 jobs wants an index of pg_trgm's on it.
    search          text        NOT NULL,
    job             jsonb       NOT NULL,
    PRIMARY KEY (connection, posting)
);
CREATE INDEX IF NOT EXISTS jobs_newest ON jobboard.jobs (posted_at DESC, connection, posting) WHERE is_open;

-- A row is the version of a job or connection that was handled last.
CREATE TABLE IF NOT EXISTS jobboard.positions (
    key     text   PRIMARY KEY,
    version bigint NOT NULL
);

-- The one row is the place in the stream up to which everything is handled, as jobfeed says it.
CREATE TABLE IF NOT EXISTS jobboard.mark (
    the_one boolean PRIMARY KEY DEFAULT true CHECK (the_one),
    mark    jsonb   NOT NULL
);
