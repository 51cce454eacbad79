-- What a relay was given on each day, for limits a day and warm-up plans. Days are UTC, counted from 1970-01-01.
CREATE TABLE relay_days (
    relay TEXT NOT NULL,
    day BIGINT NOT NULL,
    -- What was sent, and what a sender has reserved to send.
    sent BIGINT NOT NULL,
    -- How much the last reservation got.
    granted BIGINT NOT NULL,
    PRIMARY KEY (relay, day)
);

-- When the next message may go to a relay, or through it to one domain, for limits a second.
CREATE TABLE paces (
    relay TEXT NOT NULL,
    -- Empty for the relay as a whole.
    domain TEXT NOT NULL,
    -- By the database's clock, in microseconds; a row whose time has passed says nothing, and is deleted.
    next_at BIGINT NOT NULL,
    -- How many turns the last reservation got.
    granted BIGINT NOT NULL,
    PRIMARY KEY (relay, domain)
);
