-- +goose Up

-- Every decision on a hold, also those that another one took the place of. The latest stands in the hold itself, too.
CREATE TABLE hold_decisions (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hold_id    text        NOT NULL REFERENCES holds (id) ON DELETE CASCADE,
    decision   text        NOT NULL CHECK (decision IN ('approved', 'rejected')),
    -- What the person wrote, and who it was, in words; empty where that was not kept.
    note       text        NOT NULL,
    decided_by text        NOT NULL DEFAULT '',
    decided_at timestamptz NOT NULL
);
CREATE INDEX hold_decisions_hold ON hold_decisions (hold_id, id);
-- What was decided on those that ended before is not known any more.
INSERT INTO hold_decisions (hold_id, decision, note, decided_at)
SELECT id, state, note, decided_at
FROM holds
WHERE state IN ('approved', 'rejected') AND decided_at IS NOT NULL;

-- +goose Down
DROP TABLE hold_decisions;
