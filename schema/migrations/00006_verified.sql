-- +goose Up

-- As of when a listing's state was proven at its latest event, and by what. Rows from before are dated with when they were
-- found or when their posting was last read with a difference, whichever is earlier: what is claimed is never too new. They
-- are said to come from the mirror, since what had proven them was not kept.
ALTER TABLE listings
    ADD COLUMN verified_at timestamptz,
    ADD COLUMN verified_by text NOT NULL DEFAULT 'mirror';
UPDATE listings l
SET verified_at = LEAST(l.observed_at, (
    SELECT r.fetched_at
    FROM records r
    WHERE r.connection_id = l.connection_id AND r.kind = 'posting' AND r.id = l.posting_id
));
-- The defaults are for the program before this one, which may still run and knows neither column.
ALTER TABLE listings ALTER COLUMN verified_at SET NOT NULL, ALTER COLUMN verified_at SET DEFAULT now();

-- +goose Down
ALTER TABLE listings DROP COLUMN verified_at, DROP COLUMN verified_by;
