-- The queue before each provider account.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- queued_providers: each account with queued tasks, by one search of the index for each
WITH RECURSIVE found(provider) AS (
    SELECT MIN(provider) FROM tasks WHERE state = 'queued'
    UNION ALL
    SELECT (SELECT MIN(t.provider) FROM tasks t WHERE t.state = 'queued' AND t.provider > found.provider) FROM found
    WHERE found.provider IS NOT NULL
)
SELECT provider FROM found WHERE provider IS NOT NULL;

-- queue_depths: each account with queued tasks, how many, and since when the oldest waits
SELECT provider, COUNT(*) AS depth, MIN(queued_ms) AS oldest_ms FROM tasks WHERE state = 'queued'
GROUP BY provider ORDER BY provider;

-- queue_of_account: the same of one account
SELECT provider, COUNT(*) AS depth, MIN(queued_ms) AS oldest_ms FROM tasks
WHERE state = 'queued' AND provider = :provider GROUP BY provider;

-- any_queued: whether a task of an account is queued that goes before a new one of this priority
SELECT 1 AS found FROM tasks WHERE state = 'queued' AND provider = :provider AND priority >= :priority LIMIT 1;

-- next_queued: the task of an account that is sent next, of those that may wait until after a time
SELECT * FROM tasks
WHERE state = 'queued' AND provider = :provider AND (queued_until_ms IS NULL OR queued_until_ms > :after_ms)
ORDER BY priority DESC, queued_ms, id LIMIT 1 {lock};

-- queued_page: queued tasks in the order in which their account sends them; of each account, position 1 is sent next
SELECT * FROM (
    SELECT q.*, ROW_NUMBER() OVER (PARTITION BY q.provider ORDER BY q.priority DESC, q.queued_ms, q.id) AS position
    FROM tasks q WHERE q.state = 'queued' AND (CAST(:provider AS TEXT) IS NULL OR q.provider = :provider)
) AS t
WHERE t.created_ms <= :created_before_ms
  AND (CAST(:name AS TEXT) IS NULL OR EXISTS (
      SELECT 1 FROM task_labels l WHERE l.name = :name AND l.value = :value AND l.task = t.id
  ))
  AND (:any_provider = 1 OR t.provider || '' IN (:limit_providers...))
  AND (CAST(:limit_name AS TEXT) IS NULL OR EXISTS (
      SELECT 1 FROM task_labels l WHERE l.name = :limit_name AND l.value = :limit_value AND l.task = t.id
  ))
ORDER BY t.provider, t.position LIMIT :limit;

-- queued_before: how many tasks of an account are sent before one; two counts, each of one range of the index
SELECT
    (SELECT COUNT(*) FROM tasks WHERE state = 'queued' AND provider = :provider AND priority > :priority)
    + (SELECT COUNT(*) FROM tasks
       WHERE state = 'queued' AND provider = :provider AND priority = :priority
         AND (queued_ms, id) < (:queued_ms, :id)) AS number;

-- in_flight: how many tasks an account has in flight beside one; uncertain and overdue ones are not counted
SELECT COUNT(*) - (
    SELECT COUNT(*) FROM tasks
    WHERE id = :beside AND provider = :provider AND state IN ('submitting', 'submitted', 'running')
      AND final_ms IS NULL AND overdue_ms IS NULL
) AS number FROM tasks
WHERE provider = :provider AND state IN ('submitting', 'submitted', 'running') AND final_ms IS NULL
  AND overdue_ms IS NULL;

-- any_queue_time_over: whether there is one
SELECT 1 AS found FROM tasks WHERE state = 'queued' AND queued_until_ms <= :now_ms LIMIT 1;

-- queue_time_over: queued tasks that have waited as long as they may
SELECT * FROM tasks WHERE state = 'queued' AND queued_until_ms <= :now_ms
ORDER BY queued_until_ms LIMIT :limit {skip_locked};

-- pull_back_queue_times: tasks that were queued by a clock which was ahead wait from now, for as long as they were to
UPDATE tasks SET queued_until_ms = :now_ms + (queued_until_ms - queued_ms), queued_ms = :now_ms
WHERE state = 'queued' AND queued_until_ms > :ahead_ms AND queued_ms > :ahead_ms;

-- insert_queued_request: the whole request of a task that waits; the one that is there stays
INSERT INTO queued_requests (task, request) VALUES (:task, :request) ON CONFLICT DO NOTHING;

-- queued_request: the whole request of a task that waits
SELECT request FROM queued_requests WHERE task = :task;

-- remove_queued_request: the submit has an outcome
DELETE FROM queued_requests WHERE task = :task;

-- stored_requests: the next tasks whose whole request is stored, and their states; NULL: there is no such task
SELECT q.task, t.state FROM (SELECT task FROM queued_requests WHERE task > :after ORDER BY task LIMIT :limit) q
LEFT JOIN tasks t ON t.id = q.task;
