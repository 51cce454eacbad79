-- PostgreSQL needs room on its pages here; SQLite changes a row where it stands.
-- How often an issue was paused: what its editors are told of the next pause is news.
ALTER TABLE issues ADD COLUMN pauses INTEGER NOT NULL DEFAULT 0;
