-- Without the reference to issues, and without an index of subscribers: the other database's file says why. SQLite
-- makes a table anew for that.
CREATE TABLE deliveries_anew (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    issue_id INTEGER NOT NULL,
    subscriber_id INTEGER NOT NULL,
    subscription_id INTEGER NOT NULL,
    state TEXT NOT NULL,
    -- Why it was skipped or failed: a word of the domain's vocabulary.
    reason TEXT,
    -- What the relay said last.
    detail TEXT,
    not_before INTEGER NOT NULL,
    -- When it was first due; a digest is stale a day later.
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    -- The node that claimed it.
    node TEXT,
    updated_at INTEGER NOT NULL,
    UNIQUE (issue_id, subscriber_id)
) STRICT;
INSERT INTO deliveries_anew (id, issue_id, subscriber_id, subscription_id, state, reason, detail, not_before, due_at,
    attempts, node, updated_at)
SELECT id, issue_id, subscriber_id, subscription_id, state, reason, detail, not_before, due_at, attempts, node,
    updated_at
FROM deliveries ORDER BY id;
DROP TABLE deliveries;
ALTER TABLE deliveries_anew RENAME TO deliveries;

-- Claiming takes an issue's due rows, oldest first; only open rows are in these indexes, so they shrink as the send
-- goes on, and the rows of a paused issue are never walked over.
CREATE INDEX deliveries_due ON deliveries (issue_id, not_before, id) WHERE state IN ('queued', 'deferred');
CREATE INDEX deliveries_claimed ON deliveries (issue_id, node) WHERE state = 'claimed';
