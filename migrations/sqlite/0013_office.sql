-- The admins' office: how people are listed, searched and changed.

-- Lists go by when somebody came, the newest first. Each index holds all that a page's walk reads by: a page costs as
-- much for a million people as for a hundred.
CREATE INDEX subscribers_by_joined ON subscribers (created_at, id);
CREATE INDEX subscribers_by_language ON subscribers (language, created_at, id) WHERE language IS NOT NULL;
-- What a search looks up beside the address: its domain, the name, and the name's last word.
CREATE INDEX subscribers_by_domain ON subscribers (substr(email, instr(email, '@') + 1), id);
CREATE INDEX subscribers_by_name ON subscribers (lower(name), id) WHERE name <> '';
CREATE INDEX subscribers_by_surname ON subscribers
    (lower(substr(name, length(rtrim(name, replace(name, ' ', ''))) + 1)), id) WHERE name <> '';
CREATE INDEX subscriptions_by_newsletter ON subscriptions (newsletter_id, created_at, id);
-- Most are active: those are met on any walk.
CREATE INDEX subscriptions_by_state ON subscriptions (newsletter_id, status, created_at, id) WHERE status <> 'active';
CREATE INDEX subscriptions_anywhere_by_state ON subscriptions (status, created_at, id) WHERE status <> 'active';
CREATE INDEX subscriptions_paused ON subscriptions (created_at, id) WHERE paused_until IS NOT NULL;
CREATE INDEX suppressions_by_time ON suppressions (created_at, email_hash);
CREATE INDEX suppressions_by_reason ON suppressions (reason, created_at, email_hash);
CREATE INDEX suppressions_by_email ON suppressions (email) WHERE email IS NOT NULL;
-- The mails to one person, to tell of them and to forget them.
CREATE INDEX notices_by_email ON notices (email);
-- A person's deliveries are looked up issue by issue, the newest first.
CREATE INDEX issues_by_slot ON issues (slot_at, id);

CREATE TABLE tags (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- As an admin wrote it, lower case.
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE subscriber_tags (
    tag_id INTEGER NOT NULL REFERENCES tags (id),
    subscriber_id INTEGER NOT NULL REFERENCES subscribers (id),
    PRIMARY KEY (tag_id, subscriber_id)
) STRICT;
CREATE INDEX subscriber_tags_by_subscriber ON subscriber_tags (subscriber_id);

-- Filters with a name.
CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    -- The filter as it stands in the list's address.
    filter TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Changes to everybody whom a filter finds, made a few hundred at a time.
CREATE TABLE bulk_actions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- tag, untag, unsubscribe or suppress.
    kind TEXT NOT NULL,
    -- The tag or the newsletter; null to suppress.
    object_id INTEGER,
    filter TEXT NOT NULL,
    -- What it does, as the admin confirmed it.
    words TEXT NOT NULL,
    who TEXT NOT NULL,
    -- running, done, undoing or undone.
    state TEXT NOT NULL,
    -- Up to where it has come in the list; null: it begins.
    place TEXT,
    changed INTEGER NOT NULL DEFAULT 0,
    -- When it last did something: whose process died stands still, and is told to go on.
    beat_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;

-- Whom it changed, and how they were, for as long as it can be undone.
CREATE TABLE bulk_changes (
    action_id INTEGER NOT NULL REFERENCES bulk_actions (id),
    subscriber_id INTEGER NOT NULL,
    -- The subscription before; null where none was changed.
    status TEXT,
    left_at INTEGER,
    left_reason TEXT,
    PRIMARY KEY (action_id, subscriber_id)
) STRICT;

-- Files that admins upload to import. The files themselves, and the notes about their lines, lie beside the database.
CREATE TABLE imports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    newsletter_id INTEGER NOT NULL REFERENCES newsletters (id),
    who TEXT NOT NULL,
    -- What the file was called, and what it is called here.
    file_name TEXT NOT NULL,
    stored TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    -- Which field each column holds, JSON; null: not said yet.
    columns TEXT,
    consent_words TEXT NOT NULL,
    -- uploaded, checking, checked, running, done or failed.
    state TEXT NOT NULL,
    -- How many bytes are read.
    progress INTEGER NOT NULL DEFAULT 0,
    -- What came of it in numbers, JSON; no address is in it.
    report TEXT,
    -- Why it failed, for the admin.
    error TEXT,
    beat_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
