-- How often an issue was paused: what its editors are told of the next pause is news.
ALTER TABLE issues ADD COLUMN pauses BIGINT NOT NULL DEFAULT 0;
