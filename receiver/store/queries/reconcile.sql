-- Leases of tasks that are due to be polled.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- any_due: whether any task of a provider is due, leases aside
SELECT 1 AS found FROM tasks WHERE provider = :provider AND next_poll_ms <= :now_ms LIMIT 1;

-- due_tasks: tasks of a provider that are due and not leased, longest due first
SELECT * FROM tasks
WHERE provider = :provider AND next_poll_ms <= :now_ms AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
ORDER BY next_poll_ms LIMIT :limit {skip_locked};

-- waiting_polls: the same, for whoever only wants to see them
SELECT * FROM tasks
WHERE provider = :provider AND next_poll_ms <= :now_ms AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
ORDER BY next_poll_ms LIMIT :limit;

-- count_waiting_polls: how many of them there are, and not more than so many
SELECT COUNT(*) AS number FROM (
    SELECT 1 FROM tasks
    WHERE provider = :provider AND next_poll_ms <= :now_ms AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
    LIMIT :limit
) AS waiting;

-- unfinished_tasks: tasks that a manual run may poll, oldest first
SELECT * FROM tasks
WHERE state IN ('submitting', 'uncertain', 'submitted', 'running')
  AND (CAST(:provider AS TEXT) IS NULL OR provider = :provider)
  AND (CAST(:task AS TEXT) IS NULL OR id = :task OR task_id = :task)
  AND created_ms <= :created_before_ms
  AND (:any_provider = 1 OR provider || '' IN (:limit_providers...))
  AND (CAST(:limit_name AS TEXT) IS NULL OR EXISTS (
    SELECT 1 FROM task_labels l WHERE l.task = tasks.id AND l.name = :limit_name AND l.value = :limit_value))
ORDER BY id LIMIT :limit;

-- pull_back_polls: polls that a clock set which was ahead; a submit under way is none
UPDATE tasks SET next_poll_ms = :now_ms, seen_open_ms = CASE WHEN seen_open_ms <= :ahead_ms THEN seen_open_ms END
WHERE provider = :provider AND next_poll_ms > :latest_ms AND state IN ('uncertain', 'submitted', 'running');

-- pull_back_submits: the time from which a submit counts as dead; not at once, because it may be under way
UPDATE tasks SET next_poll_ms = :dead_ms
WHERE provider = :provider AND next_poll_ms > :latest_ms AND state = 'submitting';

-- pull_back_task_leases: leases that a clock set which was ahead; their owners may be at work, so they end later
UPDATE tasks SET lease_until_ms = :until_ms
WHERE provider = :provider AND state IN ('submitting', 'uncertain', 'submitted', 'running') AND final_ms IS NULL
  AND lease_until_ms > :latest_ms;

-- lease_task: lease a task until a time unless another owner leases it
UPDATE tasks SET lease_owner = :owner, lease_until_ms = :until_ms
WHERE id = :id AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms);

-- leased_tasks: the tasks among these that an owner leases
SELECT * FROM tasks WHERE id IN (:ids...) AND lease_owner = :owner;

-- release_task: count the poll, set the next, end the lease, for its owner only; NULL never ends the polls of a live task
UPDATE tasks SET
    next_poll_ms = CASE
        WHEN state IN ('submitted', 'running') THEN COALESCE(CAST(:next_poll_ms AS BIGINT), next_poll_ms)
        WHEN state IN ('submitting', 'uncertain') THEN CAST(:next_poll_ms AS BIGINT)
    END,
    seen_open_ms = CASE WHEN :seen_open = 1 AND state IN ('submitted', 'running') THEN :now_ms ELSE seen_open_ms END,
    missing_since_ms = CASE WHEN :not_found = 1 THEN COALESCE(missing_since_ms, :now_ms) END,
    polls = polls + 1, lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND lease_owner = :owner;

-- count_without_result: how many polls have found a task succeeded without its result
SELECT COUNT(*) AS number FROM observations
WHERE task = :task AND source = 'poll' AND state = 'running' AND detail LIKE '%"without_result"%';

-- count_unfinished: how many tasks of a provider have not ended
SELECT COUNT(*) AS number FROM tasks
WHERE provider = :provider AND state IN ('queued', 'submitting', 'uncertain', 'submitted', 'running')
  AND final_ms IS NULL;

-- put_off_tasks: tasks of a provider whose next poll lies within a span of time
SELECT id FROM tasks
WHERE provider = :provider AND next_poll_ms >= :from_ms AND next_poll_ms <= :until_ms
ORDER BY next_poll_ms LIMIT :limit {skip_locked};

-- poll_now: make a task due that is polled later
UPDATE tasks SET next_poll_ms = :now_ms WHERE id = :id AND next_poll_ms > :now_ms;
