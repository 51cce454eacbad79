-- Files that admins upload to import, and the notes about their lines, in pieces: every node can read them.

CREATE TABLE upload_pieces (
    -- What the upload is called here (imports.stored); without a reference: the pieces come before their import.
    stored TEXT NOT NULL,
    -- 0: the file; 1: the notes; 2: the notes by what was wrong.
    part INTEGER NOT NULL,
    -- From 0.
    number INTEGER NOT NULL,
    -- Before the bytes: SQLite reads a row from its beginning.
    created_at INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (stored, part, number)
) STRICT;
