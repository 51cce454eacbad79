-- The page of an issue that was cancelled on its way answers who has it, from now on. Those that were cancelled before had
-- none, and may have been cancelled to take it away: they keep none.
UPDATE issues SET words = NULL WHERE state = 'cancelled';
