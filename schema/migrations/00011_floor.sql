-- +goose Up

-- The oldest program that can work with these tables, by the last migration that it knows. Programs that know fewer
-- migrations than there are, and no fewer than this, start all the same: during an upgrade, and on the way back from one.
-- A migration that takes something away that the program before it uses raises it, to its own number.
CREATE TABLE schema_floor (
    single  boolean PRIMARY KEY DEFAULT TRUE CHECK (single),
    version bigint  NOT NULL
);
INSERT INTO schema_floor (version) VALUES (7);

-- +goose Down
DROP TABLE schema_floor;
