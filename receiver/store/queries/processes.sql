-- Which processes run on the ledger.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- save_process: a process runs
INSERT INTO processes (id, role, version, python, host, pid, started_ms, seen_ms, pruned_ms)
VALUES (:id, :role, :version, :python, :host, :pid, :started_ms, :seen_ms, :pruned_ms)
ON CONFLICT (id) DO UPDATE SET seen_ms = excluded.seen_ms, pruned_ms = excluded.pruned_ms;

-- remove_process: it has stopped
DELETE FROM processes WHERE id = :id;

-- remove_old_processes: those that nobody has seen since a time
DELETE FROM processes WHERE seen_ms < :before_ms;

-- processes: the one that was started last first, up to a limit
SELECT * FROM processes ORDER BY started_ms DESC, id LIMIT :limit;
