-- What pictures show, in words, for readers who do not see them.

-- As an editor wrote it; empty: it is decorative; null: what the source says.
ALTER TABLE articles ADD COLUMN written_alt TEXT;
-- For the mail alone; empty: it is decorative; null: the article's own.
ALTER TABLE issue_articles ADD COLUMN image_alt TEXT;
