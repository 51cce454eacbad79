-- How often somebody has begun to read an upload: whoever was cut off and comes back finds that another has taken over.
ALTER TABLE imports ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
