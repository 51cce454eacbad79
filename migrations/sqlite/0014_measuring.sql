-- What readers follow and open, where a newsletter measures it.

-- nothing, clicks or clicks-and-opens.
ALTER TABLE newsletters ADD COLUMN measure TEXT NOT NULL DEFAULT 'nothing';
-- The same as it was when the issue began to go out.
ALTER TABLE issues ADD COLUMN measure TEXT NOT NULL DEFAULT 'nothing';
-- Whether a reader asked not to be measured.
ALTER TABLE subscribers ADD COLUMN unmeasured INTEGER NOT NULL DEFAULT 0;

-- Where the links of a measured issue lead: kept as long as the issue, because mails lie in inboxes for years.
CREATE TABLE issue_links (
    issue_id INTEGER NOT NULL REFERENCES issues (id),
    -- From 1, in the order of the issue; 0 is the link that nobody sees.
    number INTEGER NOT NULL,
    url TEXT NOT NULL,
    -- Null for the link that nobody sees.
    article_id INTEGER,
    PRIMARY KEY (issue_id, number)
) STRICT;

-- Which links of their mail readers followed: one row for each, whatever how often; nothing of an address or a browser.
CREATE TABLE visits (
    delivery_id INTEGER NOT NULL,
    -- The link's number, or -1 for the picture that tells of an opened mail.
    link INTEGER NOT NULL,
    -- When a person was there first; where only programs were, the last time.
    at INTEGER NOT NULL,
    by_program INTEGER NOT NULL,
    PRIMARY KEY (delivery_id, link)
) STRICT;

-- How many mails were visited, counted as the visits come; they stay when the visits go.
CREATE TABLE issue_visits (
    issue_id INTEGER NOT NULL REFERENCES issues (id),
    -- As above, and 0 for any link at all.
    link INTEGER NOT NULL,
    people INTEGER NOT NULL,
    -- Mails at which only programs were.
    programs INTEGER NOT NULL,
    PRIMARY KEY (issue_id, link)
) STRICT;

-- Readers whose address bounced, or who complained, after they had the issue; null while its deliveries are there to be
-- counted.
ALTER TABLE issue_totals ADD COLUMN bounced_later INTEGER;
ALTER TABLE issue_totals ADD COLUMN complained INTEGER;
