-- What lets somebody in who lost the phone with their second factor, and the way into the audit log by day.

CREATE TABLE user_recovery_codes (
    -- SHA-256 of the account's id and the code, in hexadecimal digits. A code that was used has no row any more.
    hash TEXT NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id)
) STRICT;
CREATE INDEX user_recovery_codes_by_user ON user_recovery_codes (user_id);

CREATE INDEX audit_by_time ON audit (at, id);
