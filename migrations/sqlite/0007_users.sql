-- Who signs in, what they may, and what they did.

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- What they may for every newsletter; null: only what user_newsletters says.
    role TEXT,
    -- Argon2id, as a PHC string; null: they sign in by mailed links.
    password_hash TEXT,
    -- Base32; null: no second factor.
    totp_secret TEXT,
    -- The last time step whose code was taken: a code is good once.
    totp_step INTEGER NOT NULL DEFAULT 0,
    disabled INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE user_newsletters (
    user_id INTEGER NOT NULL REFERENCES users (id),
    newsletter_id INTEGER NOT NULL REFERENCES newsletters (id),
    role TEXT NOT NULL,
    PRIMARY KEY (user_id, newsletter_id)
) STRICT;

CREATE TABLE user_sessions (
    -- SHA-256 of the cookie's value, in hexadecimal digits.
    hash TEXT NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- What the browser calls itself, and where it signed in from.
    agent TEXT NOT NULL,
    network TEXT NOT NULL
) STRICT;
CREATE INDEX user_sessions_by_user ON user_sessions (user_id);

-- Links that sign somebody in once, by mail or printed by the program.
CREATE TABLE user_links (
    hash TEXT NOT NULL PRIMARY KEY,
    -- Null: whoever opens it becomes the first admin.
    user_id INTEGER REFERENCES users (id),
    expires_at INTEGER NOT NULL
) STRICT;

-- How often something was tried lately, such as signing in: by address, and by network.
CREATE TABLE attempts (
    what TEXT NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL,
    count INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    -- Null: the command line, or nobody who is known.
    user_id INTEGER,
    -- The address as it was then.
    who TEXT NOT NULL,
    -- A verb and its object, such as "issue.send".
    action TEXT NOT NULL,
    -- What it was done to, in words.
    what TEXT NOT NULL,
    newsletter_id INTEGER,
    denied INTEGER NOT NULL DEFAULT 0,
    network TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_user ON audit (user_id, id);
