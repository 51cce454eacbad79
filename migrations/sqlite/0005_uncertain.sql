-- How many tries ended without an answer, so that the relay may have the message each time; null for none.
ALTER TABLE deliveries ADD COLUMN uncertain INTEGER;
