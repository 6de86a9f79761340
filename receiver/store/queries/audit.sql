-- The audit: who did what, and when.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- insert_audit: one row
INSERT INTO audit (id, at_ms, actor, action, task, detail) VALUES (:id, :at_ms, :actor, :action, :task, :detail);

-- audit_page: rows between two ids, the newest first
SELECT * FROM audit WHERE id > :floor AND id < :cursor ORDER BY id DESC LIMIT :limit;

-- audit_page_of_actor: those of one actor
SELECT * FROM audit WHERE actor = :actor AND id > :floor AND id < :cursor ORDER BY id DESC LIMIT :limit;

-- audit_page_of_action: those of one action
SELECT * FROM audit WHERE action = :action AND id > :floor AND id < :cursor ORDER BY id DESC LIMIT :limit;

-- audit_page_of_task: those about one task, of which there are few
SELECT * FROM audit WHERE task = :task AND id > :floor AND id < :cursor ORDER BY at_ms DESC, id DESC LIMIT :limit;
