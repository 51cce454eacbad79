-- Who left, by when, with all that a page of results counts them by.
DROP INDEX subscriptions_left;
CREATE INDEX subscriptions_left ON subscriptions (newsletter_id, left_at, schedule_id, left_reason) WHERE left_at IS NOT NULL;
