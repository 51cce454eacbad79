-- What became of an old issue's deliveries, once their rows are removed.
CREATE TABLE delivery_counts (
    issue_id INTEGER NOT NULL REFERENCES issues (id),
    state TEXT NOT NULL,
    -- Empty where there is none.
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (issue_id, state, reason)
) STRICT;

-- When the last of an issue's deliveries was removed; null before.
ALTER TABLE issues ADD COLUMN shrunk_at INTEGER;
