-- The lists of the dashboard. Each driver gives ids from the newest on, from an index alone; what else is asked of a task
-- is asked of a few hundred ids at a time.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- task_ids: of any task
SELECT id FROM tasks WHERE id > :floor AND id < :cursor ORDER BY id DESC LIMIT :limit;

-- task_ids_in_state: of one state
SELECT id FROM tasks WHERE state = :state AND id > :floor AND id < :cursor ORDER BY id DESC LIMIT :limit;

-- task_ids_overdue: of unfinished tasks whose deadline has passed
SELECT id FROM tasks
WHERE overdue_ms IS NOT NULL AND final_ms IS NULL AND id > :floor AND id < :cursor
ORDER BY id DESC LIMIT :limit;

-- task_ids_contradicted: of tasks whose provider told of two ends, as long as the timeline says so
SELECT DISTINCT task AS id FROM observations
WHERE verdict = 'contradiction' AND task > :floor AND task < :cursor
ORDER BY task DESC LIMIT :limit;

-- task_ids_with_label: with one label
SELECT task AS id FROM task_labels
WHERE name = :name AND value = :value AND task > :floor AND task < :cursor
ORDER BY task DESC LIMIT :limit;

-- task_ids_by_start: of ours that begin with a text, up to `:end`
SELECT id FROM tasks
WHERE id >= :start AND id < :end AND id > :floor AND id < :cursor
ORDER BY id DESC LIMIT :limit;

-- task_ids_by_key: with an id of the provider, or with an idempotency key
SELECT id FROM (
    SELECT id FROM tasks WHERE task_id = :text
    UNION
    SELECT id FROM tasks WHERE request_key = :text
) k
WHERE id > :floor AND id < :cursor
ORDER BY id DESC LIMIT :limit;

-- task_ids_by_provider_task_id: with an id of the provider
SELECT id FROM tasks WHERE task_id = :text AND id > :floor AND id < :cursor ORDER BY id DESC LIMIT :limit;

-- task_ids_by_request_key: with an idempotency key
SELECT id FROM tasks WHERE request_key = :text AND id > :floor AND id < :cursor ORDER BY id DESC LIMIT :limit;

-- task_ids_among: of these ids
SELECT id FROM tasks WHERE id IN (:ids...) AND id > :floor AND id < :cursor ORDER BY id DESC LIMIT :limit;

-- fitting_tasks: those of these ids that fit the other conditions, the newest first, without their requests
SELECT
    id, provider, task_id, model, state, raw_state, progress, submit_body, labels, notify_url, acknowledged, priority,
    queued_ms, queued_until_ms, sent_ms, outputs, error, refusal, refusal_status, adopted, settled, callback_expected,
    created_ms, submitted_ms, final_ms, deadline_ms, overdue_ms, result_expires_ms, next_poll_ms, seen_open_ms,
    missing_since_ms, polls, submits, final_event, supersedes, reports
FROM tasks t
WHERE t.id IN (:ids...)
  AND t.created_ms >= :since_ms AND t.created_ms <= :until_ms
  AND (CAST(:provider AS TEXT) IS NULL OR t.provider = :provider)
  AND (CAST(:model AS TEXT) IS NULL OR t.model = :model)
  AND (CAST(:provider_task_id AS TEXT) IS NULL OR t.task_id = :provider_task_id)
  AND (CAST(:request_key AS TEXT) IS NULL OR t.request_key = :request_key)
  AND (:any_end = 1 OR (t.state IN ('refused', 'succeeded', 'failed', 'canceled', 'expired') AND EXISTS (
    SELECT 1 FROM observations o
    WHERE o.task = t.id AND o.verdict = 'applied' AND o.state = t.state AND o.source || '' IN (:sources...))))
  AND (:only_overdue = 0 OR (t.overdue_ms IS NOT NULL AND t.final_ms IS NULL))
  AND (:only_contradicted = 0 OR EXISTS (
    SELECT 1 FROM observations o WHERE o.task = t.id AND o.verdict = 'contradiction'))
  AND (CAST(:name AS TEXT) IS NULL OR EXISTS (
    SELECT 1 FROM task_labels l WHERE l.task = t.id AND l.name = :name AND l.value = :value))
  AND (CAST(:second_name AS TEXT) IS NULL OR EXISTS (
    SELECT 1 FROM task_labels l WHERE l.task = t.id AND l.name = :second_name AND l.value = :second_value))
  AND (:any_provider = 1 OR t.provider || '' IN (:limit_providers...))
  AND (CAST(:limit_name AS TEXT) IS NULL OR EXISTS (
    SELECT 1 FROM task_labels l WHERE l.task = t.id AND l.name = :limit_name AND l.value = :limit_value))
  AND t.state || '' IN (:states...)
ORDER BY t.id DESC LIMIT :limit;
