-- Why a change to many people stands still, for the admin; null: it does not, or goes on by itself.
ALTER TABLE bulk_actions ADD COLUMN error TEXT;
