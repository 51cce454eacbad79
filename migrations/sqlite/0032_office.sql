-- Since when mail is signed with a key; none while it waits for its record in DNS. Those there are have always signed.
ALTER TABLE dkim_keys ADD COLUMN signs_since INTEGER;
UPDATE dkim_keys SET signs_since = created_at;

-- Whether a newsletter stands on the pages where anybody signs up.
ALTER TABLE newsletters ADD COLUMN listed INTEGER NOT NULL DEFAULT 1;
