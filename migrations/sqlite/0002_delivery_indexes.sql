-- A person's deliveries are found through UNIQUE (issue_id, subscriber_id), one look for each issue. An index of their
-- own was written three times for every message: when it is addressed, claimed and recorded (on PostgreSQL; on SQLite
-- once), and each time elsewhere in it.
DROP INDEX deliveries_by_subscriber;
