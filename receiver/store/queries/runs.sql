-- What operators started at the dashboard.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- insert_run: a new run; nothing happens when its nonce was used
INSERT INTO operator_runs (
    id, nonce, kind, actor, condition, expected, done, failed, notes, state, cursor, created_ms, ended_ms, last_error
) VALUES (
    :id, :nonce, :kind, :actor, :condition, :expected, :done, :failed, :notes, :state, :cursor, :created_ms, :ended_ms,
    :last_error
) ON CONFLICT DO NOTHING;

-- delete_old_runs: runs with an id before one that are over
DELETE FROM operator_runs WHERE id < :before AND state <> 'running';

-- run_by_nonce: the run that a form gave
SELECT * FROM operator_runs WHERE nonce = :nonce;

-- run_by_id: one run
SELECT * FROM operator_runs WHERE id = :id;

-- runs_page: newest first
SELECT * FROM operator_runs WHERE id < :cursor ORDER BY id DESC LIMIT :limit;

-- runs_by_ids: these runs, newest first
SELECT * FROM operator_runs WHERE id IN (:ids...) ORDER BY id DESC;

-- newest_runs_of_kind: newest first, of one kind, with an id after one
SELECT * FROM operator_runs WHERE id > :since AND kind = :kind ORDER BY id DESC LIMIT :limit;

-- free_run: an open run of these kinds that nobody leases, or the one of this id if it is one; not one of those in work
SELECT * FROM operator_runs
WHERE state = 'running' AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
  AND kind IN (:kinds...) AND (CAST(:id AS TEXT) IS NULL OR id = :id) AND NOT (id IN (:in_work...))
ORDER BY created_ms LIMIT 1 {skip_locked};

-- any_free_run: whether `free_run` would find one
SELECT 1 AS found FROM operator_runs
WHERE state = 'running' AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
  AND kind IN (:kinds...) AND NOT (id IN (:in_work...)) LIMIT 1;

-- lease_run: it is worked on by an owner until a time
UPDATE operator_runs SET lease_owner = :owner, lease_until_ms = :until_ms WHERE id = :id;

-- renew_run: an open run stays with the owner that still leases it until a time
UPDATE operator_runs SET lease_until_ms = :until_ms WHERE id = :id AND lease_owner = :owner AND state = 'running';

-- save_run: how far an open run is that its owner still leases
UPDATE operator_runs SET
    done = :done, failed = :failed, notes = :notes, state = :state, cursor = :cursor, ended_ms = :ended_ms,
    last_error = :last_error, lease_until_ms = :until_ms
WHERE id = :id AND lease_owner = :owner AND state = 'running';

-- save_stopped_run: what became of the page that was worked on while a run was stopped
UPDATE operator_runs SET done = :done, failed = :failed, notes = :notes, last_error = :last_error
WHERE id = :id AND lease_owner = :owner AND state = 'stopped';

-- stop_run: end an open run
UPDATE operator_runs SET state = :state, ended_ms = :now_ms WHERE id = :id AND state = 'running';
