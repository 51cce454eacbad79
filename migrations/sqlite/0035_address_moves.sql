-- Changes of an address that whoever had it before may undo, until they are too old for that.
CREATE TABLE address_moves (
    subscriber_id INTEGER NOT NULL,
    moved_at INTEGER NOT NULL,
    PRIMARY KEY (subscriber_id, moved_at)
) WITHOUT ROWID, STRICT;
