-- People are found by the words of their names and addresses.

-- The words that a search compares (`domain::search`), and that the index is made of. Empty: not cut yet; at the next
-- start they are.
ALTER TABLE subscribers ADD COLUMN name_words TEXT NOT NULL DEFAULT '';
ALTER TABLE subscribers ADD COLUMN email_words TEXT NOT NULL DEFAULT '';
CREATE INDEX subscribers_wordless ON subscribers (id) WHERE email_words = '';

-- Without the `@`, which everybody has. What waits to be sorted in is read by every search: it is kept short.
CREATE INDEX subscribers_by_words ON subscribers USING gin (
    array_to_tsvector(array_remove(array_remove(string_to_array(name_words || email_words, ' '), ''), '@'))
) WITH (gin_pending_list_limit = 512);

-- Words find names and their last words, too.
DROP INDEX subscribers_by_name;
DROP INDEX subscribers_by_surname;
