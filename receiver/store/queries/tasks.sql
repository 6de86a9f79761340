-- Tasks, their observations and timelines.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- tasks_by_keys_or_ids: tasks of any provider with these provider ids, the caller picks the provider, or with these of ours
SELECT * FROM tasks WHERE task_id IN (:provider_task_ids...) OR id IN (:ids...) ORDER BY id {lock};

-- reported_tasks: the same, without their requests, which are long and say nothing about a report
SELECT
    id, provider, task_id, model, state, raw_state, progress, submit_body, labels, notify_url, acknowledged, priority,
    queued_ms, queued_until_ms, sent_ms, outputs, error, refusal, refusal_status, adopted, settled, callback_expected,
    created_ms, submitted_ms, final_ms, deadline_ms, overdue_ms, result_expires_ms, next_poll_ms, seen_open_ms,
    missing_since_ms, polls, submits, final_event, supersedes, reports
FROM tasks WHERE task_id IN (:provider_task_ids...) OR id IN (:ids...) ORDER BY id {lock};

-- tasks_by_ids: tasks with these ids of ours
SELECT * FROM tasks WHERE id IN (:ids...) ORDER BY id {lock};

-- states_of_tasks: the state of each of these tasks
SELECT id, state FROM tasks WHERE id IN (:ids...);

-- task_by_request_key: the task that an idempotency key stands for; one of before the scopes belongs to every scope
SELECT * FROM tasks WHERE request_key = :request_key AND key_scope IN (:key_scope, '') ORDER BY key_scope DESC LIMIT 1
{lock};

-- known_request_keys: which of these idempotency keys stand for a task, in any scope
SELECT request_key FROM tasks WHERE request_key IN (:keys...);

-- lock_request_keys: the tasks of several idempotency keys, in any scope
SELECT id FROM tasks WHERE request_key IN (:keys...) ORDER BY id {lock};

-- free_request_key: the next task with the key takes it over
UPDATE tasks SET request_key = NULL WHERE id = :id;

-- insert_task: a new task; nothing happens when the id, the provider's id or the idempotency key is taken
INSERT INTO tasks (
    id, provider, task_id, model, state, raw_state, progress, request, request_hash, submit_body, labels, notify_url,
    notify_secret, request_key, key_scope, acknowledged, priority, queued_ms, queued_until_ms, sent_ms, outputs, error,
    refusal, refusal_status, adopted, settled, callback_expected, created_ms, submitted_ms, final_ms, deadline_ms,
    overdue_ms, result_expires_ms, next_poll_ms, missing_since_ms, polls, submits, final_event, supersedes, reports
) VALUES (
    :id, :provider, :task_id, :model, :state, :raw_state, :progress, :request, :request_hash, :submit_body, :labels,
    :notify_url, :notify_secret, :request_key, :key_scope, :acknowledged, :priority, :queued_ms, :queued_until_ms,
    :sent_ms, :outputs, :error, :refusal, :refusal_status, :adopted, :settled, :callback_expected, :created_ms,
    :submitted_ms, :final_ms, :deadline_ms, :overdue_ms, :result_expires_ms, :next_poll_ms, :missing_since_ms, :polls,
    :submits, :final_event, :supersedes, :reports
) ON CONFLICT DO NOTHING;

-- update_task: all that may change after a task was opened, leases aside
UPDATE tasks SET
    task_id = :task_id, model = :model, state = :state, raw_state = :raw_state, progress = :progress,
    submit_body = :submit_body, acknowledged = :acknowledged, queued_ms = :queued_ms,
    queued_until_ms = :queued_until_ms, sent_ms = :sent_ms, outputs = :outputs, error = :error, refusal = :refusal,
    refusal_status = :refusal_status, settled = :settled, submitted_ms = :submitted_ms, final_ms = :final_ms,
    deadline_ms = :deadline_ms, overdue_ms = :overdue_ms, result_expires_ms = :result_expires_ms,
    next_poll_ms = :next_poll_ms, seen_open_ms = :seen_open_ms, missing_since_ms = :missing_since_ms, polls = :polls,
    submits = :submits, final_event = :final_event, supersedes = :supersedes, reports = :reports
WHERE id = :id;

-- release_provider_task_id: a task loses the provider's id, which another one may get
UPDATE tasks SET task_id = NULL WHERE id = :id;

-- end_task: what nearly every end changes, and nothing else, because the other columns have indexes
UPDATE tasks SET
    state = :state, raw_state = :raw_state, progress = :progress, outputs = :outputs, error = :error,
    final_ms = :final_ms, result_expires_ms = :result_expires_ms, next_poll_ms = :next_poll_ms,
    final_event = :final_event
WHERE id = :id;

-- count_reports: what a report that changes nothing else changes
UPDATE tasks SET reports = :reports WHERE id = :id;

-- insert_label: one label of a new task
INSERT INTO task_labels (task, name, value) VALUES (:task, :name, :value);

-- insert_observation: one line of a task's timeline
INSERT INTO observations (id, task, at_ms, source, state, raw_state, verdict, detail, raw)
VALUES (:id, :task, :at_ms, :source, :state, :raw_state, :verdict, :detail, :raw);

-- observations_of_kind: lines of a task's timeline with one source and verdict, newest first
SELECT id, detail, raw FROM observations
WHERE task = :task AND source = :source AND verdict = :verdict
ORDER BY at_ms DESC, id DESC LIMIT :limit;

-- update_observation: what a line says about an answer that came again
UPDATE observations SET detail = :detail, raw = :raw WHERE id = :id;

-- overdue_tasks: unfinished tasks whose deadline has passed without a `task.overdue`; a refused one has none
SELECT * FROM tasks
WHERE deadline_ms <= :now_ms AND overdue_ms IS NULL AND final_ms IS NULL
ORDER BY deadline_ms LIMIT :limit {skip_locked};

-- make_due: the reconciler polls an unfinished task at once; a poll under way may be older than the reason for this one, so it loses its lease
UPDATE tasks SET next_poll_ms = :now_ms, lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND state IN ('submitting', 'uncertain', 'submitted', 'running');

-- task_by_key: the task that a provider knows by an id
SELECT * FROM tasks WHERE task_id = :provider_task_id AND provider = :provider;

-- known_tasks: which of these ids a provider's tasks in the ledger have
SELECT task_id FROM tasks WHERE task_id IN (:provider_task_ids...) AND provider = :provider;

-- task_by_id: one task
SELECT * FROM tasks WHERE id = :id;

-- tasks_page: newest first, any state
SELECT * FROM tasks
WHERE id < :cursor AND created_ms <= :created_before_ms
  AND (CAST(:provider AS TEXT) IS NULL OR provider = :provider)
ORDER BY id DESC LIMIT :limit;

-- tasks_page_in_state: newest first, one state
SELECT * FROM tasks
WHERE state = :state AND id < :cursor AND created_ms <= :created_before_ms
  AND (CAST(:provider AS TEXT) IS NULL OR provider = :provider)
ORDER BY id DESC LIMIT :limit;

-- tasks_page_with_label: newest first, one label
SELECT t.* FROM task_labels l JOIN tasks t ON t.id = l.task
WHERE l.name = :name AND l.value = :value AND l.task < :cursor AND t.created_ms <= :created_before_ms
  AND (CAST(:state AS TEXT) IS NULL OR t.state = :state)
  AND (CAST(:provider AS TEXT) IS NULL OR t.provider = :provider)
ORDER BY l.task DESC LIMIT :limit;

-- observations_of_task: its timeline
SELECT * FROM observations WHERE task = :task ORDER BY at_ms, id;

-- events_of_task: its events
SELECT * FROM events WHERE task = :task ORDER BY seq;

-- deliveries_of_task: deliveries of its events, and whether their subscriptions are enabled
SELECT d.*, s.state AS subscription_state
FROM events e JOIN deliveries d ON d.event_seq = e.seq LEFT JOIN subscriptions s ON s.id = d.subscription
WHERE e.task = :task ORDER BY d.id;

-- attempts_of_task: every HTTP try for it, and to whom
SELECT a.*, d.subscription, d.endpoint
FROM events e JOIN deliveries d ON d.event_seq = e.seq JOIN attempts a ON a.delivery = d.id
WHERE e.task = :task ORDER BY a.at_ms, a.id;

-- audit_of_task: what people did with it
SELECT * FROM audit WHERE task = :task ORDER BY at_ms, id;

-- count_tasks: how many tasks each provider has in each state
SELECT provider, state, COUNT(*) AS number FROM tasks GROUP BY provider, state;

-- pull_back_deadlines: deadlines of tasks that were sent by a clock which was ahead count from now
UPDATE tasks SET deadline_ms = :now_ms + (deadline_ms - sent_ms), sent_ms = :now_ms
WHERE deadline_ms > :ahead_ms AND overdue_ms IS NULL AND final_ms IS NULL AND sent_ms > :ahead_ms;
