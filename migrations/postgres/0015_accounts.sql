-- Two indexes on the age of attempts are one too many.
DROP INDEX attempts_by_age;

-- Links that let somebody in, in mails that are done: of these only the kind is kept.
UPDATE notices SET content = '{"kind":"sign_in"}'
WHERE event LIKE 'sign!_in:%' ESCAPE '!' AND state IN ('sent', 'failed');
UPDATE notices SET content = '{"kind":"invitation"}'
WHERE event LIKE 'invitation:%' AND state IN ('sent', 'failed');
