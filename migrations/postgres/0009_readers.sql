-- What readers can look for in an issue that went out: its headlines and summaries, in small letters without accents.
-- Null: it is not in the archive.
ALTER TABLE issues ADD COLUMN words TEXT;

-- Issues from before have their words with accents.
UPDATE issues SET words = COALESCE((
    SELECT lower(string_agg((a ->> 'headline') || ' ' || (a ->> 'summary'), ' '))
    FROM json_array_elements(content::json -> 'articles') AS a), '')
WHERE content IS NOT NULL AND addressed_at IS NOT NULL;

-- The archive goes by number, the newest first.
CREATE INDEX issues_by_number ON issues (newsletter_id, number);

-- Old rows are removed as new ones come.
CREATE INDEX attempts_by_age ON attempts (since);
