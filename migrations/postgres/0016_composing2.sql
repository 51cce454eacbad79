-- The schedule's own time of an issue that an editor gave another one while it was filling; null where nobody did. It
-- keeps the editor's time as long as the schedule's is this one.
ALTER TABLE issues ADD COLUMN moved_from BIGINT;
