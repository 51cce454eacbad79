-- What was found once the lists were long: who may come back, which links still count, and what erasing left behind.

-- What a subscription was when its reader left: only who was active comes back with a button. Null: not known.
ALTER TABLE subscriptions ADD COLUMN left_from TEXT;
UPDATE subscriptions SET left_from = 'active' WHERE status = 'unsubscribed' AND confirmed_at IS NOT NULL;

-- Whether the address was ever changed: links to the preferences from before say nothing of the address that they were
-- made for, and count for an address that never changed alone.
ALTER TABLE subscribers ADD COLUMN has_moved INTEGER NOT NULL DEFAULT 0;
UPDATE subscribers SET has_moved = 1 WHERE id IN (
    SELECT CAST(substr(event, 7, instr(substr(event, 7), ':') - 1) AS INTEGER) FROM notices
    WHERE event >= 'moved:' AND event < 'moved;');

-- A filter may hold somebody's address, and so may a place in the list: an action that ended needs neither.
UPDATE bulk_actions SET filter = '', place = NULL WHERE state IN ('done', 'undone');

-- Mails that came to their end are forgotten after a time.
CREATE INDEX notices_ended ON notices (updated_at) WHERE state IN ('sent', 'failed');
-- The suppression list is searched by address within a reason.
CREATE INDEX suppressions_by_reason_and_email ON suppressions (reason, email) WHERE email IS NOT NULL;
