-- Room on each page for the new version of a row that claiming and recording it write: it stays on the page.
ALTER TABLE deliveries SET (fillfactor = 45);
-- How often an issue was paused: what its editors are told of the next pause is news.
ALTER TABLE issues ADD COLUMN pauses BIGINT NOT NULL DEFAULT 0;
