-- Issues that an editor sends now: they start at that time, unless somebody takes it back before.
CREATE TABLE early_starts (
    issue_id INTEGER NOT NULL PRIMARY KEY REFERENCES issues (id),
    starts_at INTEGER NOT NULL
) STRICT;

-- How an issue ended, so that a chart over issues need not count millions of deliveries.
CREATE TABLE issue_totals (
    issue_id INTEGER NOT NULL PRIMARY KEY REFERENCES issues (id),
    sent INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    skipped INTEGER NOT NULL
) STRICT;

-- Who left a newsletter since an issue of it.
CREATE INDEX subscriptions_left ON subscriptions (newsletter_id, left_at) WHERE left_at IS NOT NULL;
