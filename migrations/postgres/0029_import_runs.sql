-- How often somebody has begun to read an upload: whoever was cut off and comes back finds that another has taken over.
ALTER TABLE imports ADD COLUMN run BIGINT NOT NULL DEFAULT 0;
