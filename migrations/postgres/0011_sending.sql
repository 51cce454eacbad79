-- Issues that an editor sends now: they start at that time, unless somebody takes it back before.
CREATE TABLE early_starts (
    issue_id BIGINT NOT NULL PRIMARY KEY REFERENCES issues (id),
    starts_at BIGINT NOT NULL
);

-- How an issue ended, so that a chart over issues need not count millions of deliveries.
CREATE TABLE issue_totals (
    issue_id BIGINT NOT NULL PRIMARY KEY REFERENCES issues (id),
    sent BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    skipped BIGINT NOT NULL
);

-- Who left a newsletter since an issue of it.
CREATE INDEX subscriptions_left ON subscriptions (newsletter_id, left_at) WHERE left_at IS NOT NULL;
