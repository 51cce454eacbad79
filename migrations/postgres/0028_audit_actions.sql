-- What was done, by action (`user.remove`) and by the kind of thing it was done to (`user`), the newest first.
CREATE INDEX audit_by_action ON audit (action, id);
CREATE INDEX audit_by_noun ON audit ((split_part(action, '.', 1)), id);
