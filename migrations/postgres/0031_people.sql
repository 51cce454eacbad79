-- Where a subscription came from, where that is no consent of the person's own: an import, an admin who added it. And when an
-- admin last had a mail ask them to confirm.
ALTER TABLE subscriptions ADD COLUMN origin TEXT;
ALTER TABLE subscriptions ADD COLUMN asked_at BIGINT;

-- An import whose file said nothing of a consent, and an admin who added somebody without one, were written down as one.
UPDATE subscriptions
SET origin = consent_from || CASE WHEN consent_words = '' THEN '' ELSE ': ' || consent_words END,
    asked_at = CASE WHEN status = 'pending' AND consent_from LIKE 'added by %' THEN consent_at END,
    consent_at = NULL, consent_from = NULL, consent_words = NULL
WHERE consent_at IS NOT NULL AND confirmed_at IS NULL
    AND ((consent_words = '' AND (consent_from LIKE 'import %' OR consent_from = 'subscriber add')
            AND (consent_at = created_at OR consent_from LIKE '% (the file has no date of it)'))
        OR (status = 'pending' AND consent_from LIKE 'added by %'));

-- A change to many people that somebody stopped, and how many it had not come to; null: nobody counted them.
ALTER TABLE bulk_actions ADD COLUMN stopped BIGINT NOT NULL DEFAULT 0;
ALTER TABLE bulk_actions ADD COLUMN left_over BIGINT;

-- How many people there are, and how many each newsletter has: counted now and then, because a million take a second.
CREATE TABLE people_tallies (
    id BIGINT PRIMARY KEY,
    asked_at BIGINT NOT NULL,
    -- Counts by a word, as JSON; null: they are being counted for the first time.
    counts TEXT,
    counted_at BIGINT
);

-- Letters with strokes and ligatures count as those that people type for them: whoever has one is cut into words again.
UPDATE subscribers SET email_words = ''
WHERE name_words LIKE '%ø%' OR email_words LIKE '%ø%'
    OR name_words LIKE '%ł%' OR email_words LIKE '%ł%'
    OR name_words LIKE '%đ%' OR email_words LIKE '%đ%'
    OR name_words LIKE '%ð%' OR email_words LIKE '%ð%'
    OR name_words LIKE '%þ%' OR email_words LIKE '%þ%'
    OR name_words LIKE '%ß%' OR email_words LIKE '%ß%'
    OR name_words LIKE '%æ%' OR email_words LIKE '%æ%'
    OR name_words LIKE '%œ%' OR email_words LIKE '%œ%'
    OR name_words LIKE '%ı%' OR email_words LIKE '%ı%'
    OR name_words LIKE '%ħ%' OR email_words LIKE '%ħ%'
    OR name_words LIKE '%ŧ%' OR email_words LIKE '%ŧ%';

UPDATE issues SET words = REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(words, 'ø', 'o'), 'ł', 'l'), 'đ', 'd'), 'ð', 'd'), 'þ', 'th'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'ı', 'i'), 'ħ', 'h'), 'ŧ', 't')
WHERE words IS NOT NULL;
