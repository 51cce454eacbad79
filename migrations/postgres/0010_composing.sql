-- What editors make of an issue before it freezes, and every step of it.

-- Whether an editor has touched it: from then on nothing goes in, out or up by itself.
ALTER TABLE issues ADD COLUMN edited BIGINT NOT NULL DEFAULT 0;
-- Counts the edits: a save that was made from an older version is not applied.
ALTER TABLE issues ADD COLUMN version BIGINT NOT NULL DEFAULT 0;

-- For the mail alone; null: the article's own.
ALTER TABLE issue_articles ADD COLUMN headline TEXT;
ALTER TABLE issue_articles ADD COLUMN summary TEXT;
-- What stands above the article, and begins a section; null: nothing.
ALTER TABLE issue_articles ADD COLUMN heading TEXT;

-- The last edits of each issue.
CREATE TABLE issue_history (
    issue_id BIGINT NOT NULL REFERENCES issues (id),
    -- The version that the edit made.
    version BIGINT NOT NULL,
    at BIGINT NOT NULL,
    -- Who did it, as they were called then.
    who TEXT NOT NULL,
    -- What was done, in words.
    what TEXT NOT NULL,
    -- The issue before it, JSON.
    state_before TEXT NOT NULL,
    PRIMARY KEY (issue_id, version)
);

-- Counts that walk over all readers of an issue, kept so that a page does not.
CREATE TABLE issue_tallies (
    issue_id BIGINT NOT NULL REFERENCES issues (id),
    -- What was counted: who will get it, or what became of its mails.
    kind TEXT NOT NULL,
    -- JSON; null until it is counted for the first time.
    counts TEXT,
    counted_at BIGINT,
    -- When somebody began to count last: nobody else begins for a while.
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (issue_id, kind)
);
