-- The audit: who did what, and when.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- insert_audit: one row
INSERT INTO audit (id, at_ms, actor, action, task, detail) VALUES (:id, :at_ms, :actor, :action, :task, :detail);
