-- A person's deliveries are found through UNIQUE (issue_id, subscriber_id), one look for each issue. An index of their
-- own was written three times for every message: when it is addressed, claimed and recorded.
DROP INDEX deliveries_by_subscriber;

-- Looking the issue up for each of a million rows is a quarter of the time that addressing them takes. They are written
-- in the transaction that starts their issue, which is there.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_issue_id_fkey;
