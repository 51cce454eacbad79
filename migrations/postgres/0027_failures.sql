-- The latest deliveries of an issue that failed or were put off are found without looking at all of them.
CREATE INDEX deliveries_failed ON deliveries (issue_id, updated_at, id) WHERE state IN ('failed', 'deferred');
