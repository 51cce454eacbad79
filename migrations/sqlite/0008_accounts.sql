-- Signing in: what a one-time link is for, when somebody was last seen, and the ways into a long audit log.

ALTER TABLE users ADD COLUMN seen_at INTEGER;

-- The first admin's link is worked out from the service's key, and has no row: every row is somebody's.
DROP TABLE user_links;
CREATE TABLE user_links (
    -- SHA-256 of the link's secret, in hexadecimal digits.
    hash TEXT NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    -- 'sign_in': signs in. 'welcome': lets them choose a name and a password, and signs in.
    kind TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX user_links_by_user ON user_links (user_id);

-- What is over is removed by the next who tries.
CREATE INDEX attempts_by_since ON attempts (since);

CREATE INDEX audit_by_who ON audit (who, id);
CREATE INDEX audit_by_newsletter ON audit (newsletter_id, id);
CREATE INDEX audit_by_denied ON audit (denied, id);
