-- Files that admins upload to import, and the notes about their lines, in pieces: every node can read them.

CREATE TABLE upload_pieces (
    -- What the upload is called here (imports.stored); without a reference: the pieces come before their import.
    stored TEXT NOT NULL,
    -- 0: the file; 1: the notes; 2: the notes by what was wrong.
    part BIGINT NOT NULL,
    -- From 0.
    number BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (stored, part, number)
);
