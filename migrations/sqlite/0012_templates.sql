-- What editors made of mail templates: every saved version of every file. The newest of a file counts.
CREATE TABLE template_versions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- For instance digest/body.mjml.hbs.
    file TEXT NOT NULL,
    -- Null: back to what the program, or its folder of templates, has.
    text TEXT,
    -- The address as it was then.
    made_by TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX template_versions_by_file ON template_versions (file, id);

-- Counts the changes, so that a node learns from one row whether it has the newest. Who saves counts one up from the
-- number that they looked at, and fails where somebody else did meanwhile.
INSERT INTO settings (name, value) VALUES ('templates', '0');
