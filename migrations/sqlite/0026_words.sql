-- People are found by the words of their names and addresses.

-- The words that a search compares (`domain::search`), and that the index is made of. Empty: not cut yet; at the next
-- start they are.
ALTER TABLE subscribers ADD COLUMN name_words TEXT NOT NULL DEFAULT '';
ALTER TABLE subscribers ADD COLUMN email_words TEXT NOT NULL DEFAULT '';
CREATE INDEX subscribers_wordless ON subscribers (id) WHERE email_words = '';

-- The index of the words holds numbers of people alone (`detail=none`), and no copy of the words: 12 MB for a million
-- people. `ascii` cuts at the spaces between words and takes every letter beyond ASCII as it is.
CREATE VIRTUAL TABLE subscriber_words USING fts5(
    name_words, email_words, content='subscribers', content_rowid='id', tokenize='ascii', detail='none', columnsize=0
);
-- Whoever is erased is gone from the index at once, and not when its pages are next merged.
INSERT INTO subscriber_words (subscriber_words, rank) VALUES ('secure-delete', 1);

-- Somebody has an entry where they have words. An entry is taken out by the words that it was made of.
CREATE TRIGGER subscriber_words_come AFTER INSERT ON subscribers
WHEN new.name_words <> '' OR new.email_words <> ''
BEGIN
    INSERT INTO subscriber_words (rowid, name_words, email_words) VALUES (new.id, new.name_words, new.email_words);
END;
CREATE TRIGGER subscriber_words_change AFTER UPDATE OF name_words, email_words ON subscribers
WHEN new.name_words <> old.name_words OR new.email_words <> old.email_words
BEGIN
    INSERT INTO subscriber_words (subscriber_words, rowid, name_words, email_words)
        SELECT 'delete', old.id, old.name_words, old.email_words WHERE old.name_words <> '' OR old.email_words <> '';
    INSERT INTO subscriber_words (rowid, name_words, email_words)
        SELECT new.id, new.name_words, new.email_words WHERE new.name_words <> '' OR new.email_words <> '';
END;
CREATE TRIGGER subscriber_words_go AFTER DELETE ON subscribers
WHEN old.name_words <> '' OR old.email_words <> ''
BEGIN
    INSERT INTO subscriber_words (subscriber_words, rowid, name_words, email_words)
        VALUES ('delete', old.id, old.name_words, old.email_words);
END;

-- Words find names and their last words, too.
DROP INDEX subscribers_by_name;
DROP INDEX subscribers_by_surname;
