-- The lists of deliveries of the dashboard. Each driver gives ids from the newest on, from an index alone; what else is
-- asked of a delivery is asked of a few hundred ids at a time.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- delivery_ids: of any delivery
SELECT id FROM deliveries WHERE id > :floor AND id < :cursor ORDER BY id DESC LIMIT :limit;

-- delivery_ids_in_state: of one state
SELECT id FROM deliveries
WHERE state = :state AND id > :floor AND id < :cursor
ORDER BY id DESC LIMIT :limit;

-- delivery_ids_of_subscription: of one subscription
SELECT id FROM deliveries
WHERE subscription = :subscription AND id > :floor AND id < :cursor
ORDER BY id DESC LIMIT :limit;

-- delivery_ids_dead: dead letters of one subscription
SELECT id FROM deliveries
WHERE subscription = :subscription AND state = 'dead' AND id > :floor AND id < :cursor
ORDER BY id DESC LIMIT :limit;

-- delivery_ids_failing: of one subscription, those that have failed and are attempted again
SELECT id FROM deliveries
WHERE subscription = :subscription AND state = 'pending' AND attempts > 0 AND id > :floor AND id < :cursor
ORDER BY id DESC LIMIT :limit;

-- delivery_ids_dead_of_notify: dead letters at a host of `notify`
SELECT id FROM deliveries
WHERE state = 'dead' AND subscription IS NULL AND endpoint_id = :endpoint_id AND id > :floor AND id < :cursor
ORDER BY id DESC LIMIT :limit;

-- delivery_ids_pending_of_notify: pending ones at a host of `notify`
SELECT id FROM deliveries
WHERE endpoint_id = :endpoint_id AND due_ms IS NOT NULL AND id > :floor AND id < :cursor
ORDER BY id DESC LIMIT :limit;

-- delivery_ids_among: of these ids
SELECT id FROM deliveries WHERE id IN (:ids...) AND id > :floor AND id < :cursor ORDER BY id DESC LIMIT :limit;

-- delivery_ids_of_task: of the events of one task
SELECT d.id FROM events e JOIN deliveries d ON d.event_seq = e.seq
WHERE e.task = :task AND d.id > :floor AND d.id < :cursor
ORDER BY d.id DESC LIMIT :limit;

-- fitting_deliveries: those of these ids that fit the other conditions, the newest first
SELECT * FROM deliveries d
WHERE d.id IN (:ids...)
  AND d.created_ms >= :since_ms AND d.created_ms <= :until_ms
  AND (CAST(:subscription AS TEXT) IS NULL OR d.subscription = :subscription)
  AND (CAST(:endpoint_id AS TEXT) IS NULL OR d.endpoint_id = :endpoint_id)
  AND (CAST(:task AS TEXT) IS NULL OR d.task = :task)
  AND (:only_notify = 0 OR d.subscription IS NULL)
  AND (:only_failing = 0 OR (d.state = 'pending' AND d.attempts > 0))
  AND (CAST(:event_type AS TEXT) IS NULL OR d.event_type = :event_type)
  AND (:any_answer = 1 OR (
    CASE
        WHEN d.last_status BETWEEN 200 AND 299 THEN '2xx'
        WHEN d.last_status BETWEEN 300 AND 399 THEN '3xx'
        WHEN d.last_status BETWEEN 400 AND 499 THEN '4xx'
        WHEN d.last_status BETWEEN 500 AND 599 THEN '5xx'
        WHEN d.last_status IS NULL AND d.last_error IS NOT NULL THEN 'none'
        ELSE ''
    END) IN (:answers...))
  AND (:any_owner = 1 OR d.subscription IS NULL OR d.subscription || '' IN (:owners...))
  AND (:any_task = 1 OR EXISTS (
    SELECT 1 FROM tasks t WHERE t.id = d.task AND (:any_provider = 1 OR t.provider || '' IN (:limit_providers...))))
  AND (CAST(:limit_name AS TEXT) IS NULL OR EXISTS (
    SELECT 1 FROM task_labels l WHERE l.task = d.task AND l.name = :limit_name AND l.value = :limit_value))
  AND d.state || '' IN (:states...)
ORDER BY d.id DESC LIMIT :limit;

-- event_body: what an event posts
SELECT body FROM events WHERE seq = :seq;
