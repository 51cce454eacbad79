-- When a person's address last changed: a link that asks to change it, made before, does nothing any more.
ALTER TABLE subscribers ADD COLUMN moved_at INTEGER;
