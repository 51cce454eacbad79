-- Daybreak's tables. Instants are epoch milliseconds, flags 0 or 1, texts UTF-8; see docs/operating.md.

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE newsletters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    from_name TEXT NOT NULL,
    from_email TEXT NOT NULL,
    reply_to TEXT,
    language TEXT NOT NULL,
    timezone TEXT NOT NULL,
    postal_address TEXT NOT NULL,
    colour TEXT NOT NULL,
    logo_url TEXT,
    approval TEXT NOT NULL,
    min_articles INTEGER NOT NULL,
    max_articles INTEGER NOT NULL,
    max_age_hours INTEGER,
    article_order TEXT NOT NULL,
    match_language INTEGER NOT NULL,
    subject TEXT NOT NULL,
    preheader TEXT NOT NULL,
    cutoff_minutes INTEGER NOT NULL,
    grace_minutes INTEGER NOT NULL,
    editors TEXT NOT NULL,
    issues_frozen INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE schedules (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    newsletter_id INTEGER NOT NULL REFERENCES newsletters (id),
    name TEXT NOT NULL,
    recurrence TEXT NOT NULL,
    at_minute INTEGER NOT NULL,
    timezone TEXT NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    starts_at INTEGER NOT NULL,
    UNIQUE (newsletter_id, name)
) STRICT;

CREATE TABLE topics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    newsletter_id INTEGER NOT NULL REFERENCES newsletters (id),
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The topic's place in the sets below, 0 to 62.
    bit INTEGER NOT NULL,
    UNIQUE (newsletter_id, slug),
    UNIQUE (newsletter_id, bit)
) STRICT;

CREATE TABLE subscribers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE,
    -- What ties an address to its suppression, also after the person is erased.
    email_hash TEXT NOT NULL,
    name TEXT NOT NULL,
    language TEXT,
    timezone TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX subscribers_by_hash ON subscribers (email_hash);

CREATE TABLE suppressions (
    email_hash TEXT NOT NULL PRIMARY KEY,
    -- Null once the person is erased.
    email TEXT,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE subscriptions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    newsletter_id INTEGER NOT NULL REFERENCES newsletters (id),
    subscriber_id INTEGER NOT NULL REFERENCES subscribers (id),
    status TEXT NOT NULL,
    -- Null: the newsletter's first schedule.
    schedule_id INTEGER REFERENCES schedules (id),
    -- A set of topics, one bit each; 0: all of them.
    topics INTEGER NOT NULL,
    -- The reader's own hour, in minutes after midnight in their zone; null: the schedule's slot.
    at_minute INTEGER,
    paused_until INTEGER,
    consent_at INTEGER,
    consent_from TEXT,
    consent_words TEXT,
    confirmed_at INTEGER,
    left_at INTEGER,
    left_reason TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (newsletter_id, subscriber_id)
) STRICT;
CREATE INDEX subscriptions_by_subscriber ON subscriptions (subscriber_id);

CREATE TABLE sources (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    newsletter_id INTEGER NOT NULL REFERENCES newsletters (id),
    url TEXT NOT NULL,
    title TEXT NOT NULL,
    identity TEXT NOT NULL,
    -- The topics that its articles get, besides those their own labels name.
    topics INTEGER NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    etag TEXT,
    last_modified TEXT,
    next_poll_at INTEGER NOT NULL,
    last_polled_at INTEGER,
    last_success_at INTEGER,
    -- Failures in a row, and the last one in words for the editor.
    failures INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (newsletter_id, url)
) STRICT;
CREATE INDEX sources_due ON sources (paused, next_poll_at);

CREATE TABLE articles (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    newsletter_id INTEGER NOT NULL REFERENCES newsletters (id),
    source_id INTEGER REFERENCES sources (id),
    url TEXT,
    title TEXT NOT NULL,
    author TEXT,
    summary TEXT NOT NULL,
    body_html TEXT NOT NULL,
    image_url TEXT,
    image_alt TEXT,
    language TEXT,
    published_at INTEGER,
    modified_at INTEGER,
    topics INTEGER NOT NULL,
    -- The article that tells the same story first; null for that one itself.
    story_id INTEGER REFERENCES articles (id),
    held INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0,
    -- What its age counts from: its publication, or when an editor added it.
    fresh_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
-- Filling an issue reads a newsletter's newest first; so does the search for the same story.
CREATE INDEX articles_fresh ON articles (newsletter_id, fresh_at);
CREATE INDEX articles_by_story ON articles (story_id);

-- What makes two articles the same: a GUID or a canonical link. The key is unique, so two nodes that poll one feed
-- at once store its articles once.
CREATE TABLE article_keys (
    newsletter_id INTEGER NOT NULL REFERENCES newsletters (id),
    identity TEXT NOT NULL,
    article_id INTEGER NOT NULL REFERENCES articles (id),
    PRIMARY KEY (newsletter_id, identity)
) STRICT;

CREATE TABLE issues (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    newsletter_id INTEGER NOT NULL REFERENCES newsletters (id),
    schedule_id INTEGER REFERENCES schedules (id),
    number INTEGER NOT NULL DEFAULT 0,
    slot_at INTEGER NOT NULL,
    -- The slot's local date, and 0 for the day's regular issue: one per schedule and day, on any number of nodes.
    slot_date TEXT NOT NULL,
    edition INTEGER NOT NULL DEFAULT 0,
    cutoff_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    held INTEGER NOT NULL DEFAULT 0,
    at_once INTEGER NOT NULL DEFAULT 0,
    introduction TEXT NOT NULL DEFAULT '',
    subject TEXT,
    preheader TEXT,
    -- The content as it was frozen, JSON; null before.
    content TEXT,
    created_at INTEGER NOT NULL,
    frozen_at INTEGER,
    approved_at INTEGER,
    approved_by TEXT,
    addressed_at INTEGER,
    finished_at INTEGER,
    UNIQUE (schedule_id, slot_date, edition)
) STRICT;
CREATE INDEX issues_by_state ON issues (state, slot_at);
CREATE INDEX issues_by_newsletter ON issues (newsletter_id, slot_at);

CREATE TABLE issue_articles (
    issue_id INTEGER NOT NULL REFERENCES issues (id),
    article_id INTEGER NOT NULL REFERENCES articles (id),
    position INTEGER NOT NULL,
    PRIMARY KEY (issue_id, article_id)
) STRICT;
CREATE INDEX issue_articles_by_article ON issue_articles (article_id);

-- The ledger: one row per issue and subscription, sent or not and why.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    issue_id INTEGER NOT NULL REFERENCES issues (id),
    subscriber_id INTEGER NOT NULL,
    subscription_id INTEGER NOT NULL,
    state TEXT NOT NULL,
    -- Why it was skipped or failed: a word of the domain's vocabulary.
    reason TEXT,
    -- What the relay said last.
    detail TEXT,
    not_before INTEGER NOT NULL,
    -- When it was first due; a digest is stale a day later.
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    -- The node that claimed it.
    node TEXT,
    updated_at INTEGER NOT NULL,
    UNIQUE (issue_id, subscriber_id)
) STRICT;
-- Claiming takes an issue's due rows, oldest first; only open rows are in these indexes, so they shrink as the send
-- goes on, and the rows of a paused issue are never walked over.
CREATE INDEX deliveries_due ON deliveries (issue_id, not_before, id) WHERE state IN ('queued', 'deferred');
CREATE INDEX deliveries_claimed ON deliveries (issue_id, node) WHERE state = 'claimed';
CREATE INDEX deliveries_by_subscriber ON deliveries (subscriber_id);

-- Mails to one person: confirmations, welcomes, goodbyes, notes to editors.
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Makes one event one mail, whoever notices it and however often.
    event TEXT NOT NULL UNIQUE,
    newsletter_id INTEGER NOT NULL REFERENCES newsletters (id),
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The mail's typed context, JSON.
    content TEXT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT,
    not_before INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    node TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX notices_due ON notices (not_before, id) WHERE state IN ('queued', 'deferred');
CREATE INDEX notices_claimed ON notices (node) WHERE state = 'claimed';

-- Who is sending. What a node claimed is taken over when its lease has run out.
CREATE TABLE nodes (
    name TEXT NOT NULL PRIMARY KEY,
    started_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL
) STRICT;

-- The keys that sign mail, one per domain and algorithm.
CREATE TABLE dkim_keys (
    domain TEXT NOT NULL,
    selector TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    private_key TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (domain, selector)
) STRICT;
