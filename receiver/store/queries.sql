-- Every statement of the program, once, in the dialect that SQLite and Postgres share.
-- A header line is two hyphens, the name, a colon and the purpose. `:name` is a parameter, `:name...` a list of them;
-- {lock} and {skip_locked} are the row-lock clauses of engines that have them.

-- tasks_by_keys: tasks of any provider with these provider ids; the caller picks the provider
SELECT * FROM tasks WHERE task_id IN (:task_ids...) {lock};

-- tasks_by_ids: tasks with these ids of ours
SELECT * FROM tasks WHERE id IN (:ids...) {lock};

-- task_by_idempotency_key: the task that used a key first
SELECT * FROM tasks WHERE idempotency_key = :idempotency_key;

-- insert_task: a new task; nothing happens when the id, the provider's id or the idempotency key is taken
INSERT INTO tasks (
    id, provider, task_id, model, state, raw_state, progress, request, request_hash, submit_body, labels, notify_url,
    notify_secret, idempotency_key, outputs, error, adopted, callback_expected, created_ms, submitted_ms, final_ms,
    deadline_ms, overdue_ms, result_expires_ms, next_poll_ms, missing_since_ms, polls, submits, final_event, supersedes
) VALUES (
    :id, :provider, :task_id, :model, :state, :raw_state, :progress, :request, :request_hash, :submit_body, :labels,
    :notify_url, :notify_secret, :idempotency_key, :outputs, :error, :adopted, :callback_expected, :created_ms,
    :submitted_ms, :final_ms, :deadline_ms, :overdue_ms, :result_expires_ms, :next_poll_ms, :missing_since_ms, :polls,
    :submits, :final_event, :supersedes
) ON CONFLICT DO NOTHING;

-- update_task: all that may change after a task was opened, leases aside
UPDATE tasks SET
    task_id = :task_id, model = :model, state = :state, raw_state = :raw_state, progress = :progress,
    submit_body = :submit_body, outputs = :outputs, error = :error, submitted_ms = :submitted_ms, final_ms = :final_ms,
    deadline_ms = :deadline_ms, overdue_ms = :overdue_ms, result_expires_ms = :result_expires_ms, next_poll_ms = :next_poll_ms,
    missing_since_ms = :missing_since_ms, polls = :polls, submits = :submits, final_event = :final_event,
    supersedes = :supersedes
WHERE id = :id;

-- insert_label: one label of a new task
INSERT INTO task_labels (task, name, value) VALUES (:task, :name, :value);

-- insert_observation: one line of a task's timeline
INSERT INTO observations (id, task, at_ms, source, state, raw_state, verdict, detail, raw)
VALUES (:id, :task, :at_ms, :source, :state, :raw_state, :verdict, :detail, :raw);

-- take_seqs: reserve the next `count` numbers; the row lock keeps events in the order of their commits
UPDATE counters SET value = value + :count WHERE name = 'events' RETURNING value;

-- prove_writable: a write that changes nothing anyone reads
UPDATE counters SET value = value + 1 WHERE name = 'checks';

-- insert_event: one event
INSERT INTO events (seq, id, task, type, at_ms, supersedes, body)
VALUES (:seq, :id, :task, :type, :at_ms, :supersedes, :body);

-- insert_delivery: one event owed to one endpoint
INSERT INTO deliveries (
    id, event_seq, event_id, event_type, task, endpoint, state, attempts, due_ms, created_ms
) VALUES (
    :id, :event_seq, :event_id, :event_type, :task, :endpoint, 'pending', 0, :due_ms, :due_ms
);

-- overdue_tasks: unfinished tasks whose deadline has passed unsaid; a refused one has none
SELECT * FROM tasks
WHERE deadline_ms <= :now_ms AND overdue_ms IS NULL AND final_ms IS NULL
ORDER BY deadline_ms LIMIT :limit {skip_locked};

-- make_due: the reconciler looks at an unfinished task at once; a look under way asked before the news came and loses it
UPDATE tasks SET next_poll_ms = :now_ms, lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND state IN ('submitting', 'uncertain', 'submitted', 'running');

-- any_due: whether any task of a provider is due, leases aside
SELECT 1 AS found FROM tasks WHERE provider = :provider AND next_poll_ms <= :now_ms LIMIT 1;

-- due_tasks: tasks of a provider that are due and not leased, longest due first
SELECT * FROM tasks
WHERE provider = :provider AND next_poll_ms <= :now_ms AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
ORDER BY next_poll_ms LIMIT :limit {skip_locked};

-- unfinished_tasks: tasks that a person may ask about, oldest first
SELECT * FROM tasks
WHERE state IN ('submitting', 'uncertain', 'submitted', 'running')
  AND (CAST(:provider AS TEXT) IS NULL OR provider = :provider)
  AND (CAST(:task AS TEXT) IS NULL OR id = :task OR task_id = :task)
  AND created_ms <= :created_before_ms
ORDER BY id LIMIT :limit;

-- lease_task: claim a task until a time unless somebody else holds it
UPDATE tasks SET lease_owner = :owner, lease_until_ms = :until_ms
WHERE id = :id AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms);

-- leased_tasks: what an owner holds of these
SELECT * FROM tasks WHERE id IN (:ids...) AND lease_owner = :owner;

-- finish_poll: count the look, set the next, end the lease, for its owner only; NULL never ends the looks at a live task
UPDATE tasks SET
    next_poll_ms = CASE
        WHEN state IN ('submitted', 'running') THEN COALESCE(CAST(:next_poll_ms AS BIGINT), next_poll_ms)
        WHEN state IN ('submitting', 'uncertain') THEN CAST(:next_poll_ms AS BIGINT)
    END,
    missing_since_ms = CASE WHEN :not_found = 1 THEN COALESCE(missing_since_ms, :now_ms) END,
    polls = polls + 1, lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND lease_owner = :owner;

-- account: a provider's purse and pause
SELECT * FROM accounts WHERE provider = :provider {lock};

-- all_accounts: every purse
SELECT * FROM accounts ORDER BY provider;

-- open_account: a full purse for a provider seen for the first time
INSERT INTO accounts (provider, tokens, refilled_ms) VALUES (:provider, :tokens, :now_ms) ON CONFLICT DO NOTHING;

-- set_purse: what is left after a debit
UPDATE accounts SET tokens = :tokens, refilled_ms = :now_ms WHERE provider = :provider;

-- pause_account: ask nothing of a provider until a time; a longer pause and a standing alarm are kept
UPDATE accounts SET
    paused_until_ms = CASE WHEN paused_until_ms > :until_ms THEN paused_until_ms ELSE :until_ms END,
    paused_reason = :reason, alarm = COALESCE(CAST(:alarm AS TEXT), alarm)
WHERE provider = :provider;

-- unpause_account: end a pause and its alarm
UPDATE accounts SET paused_until_ms = NULL, paused_reason = NULL, alarm = NULL WHERE provider = :provider;

-- any_delivery_due: whether the outbox has work, leases aside; only a pending delivery has a due time
SELECT 1 AS found FROM deliveries WHERE due_ms <= :now_ms LIMIT 1;

-- due_deliveries: deliveries that are due and free, no endpoint with more in flight than its share
SELECT d.id, d.event_id, d.endpoint, d.attempts, e.body, t.notify_secret
FROM deliveries d JOIN events e ON e.seq = d.event_seq JOIN tasks t ON t.id = d.task
WHERE d.id IN (
    SELECT r.id FROM (
        SELECT id, endpoint, due_ms, ROW_NUMBER() OVER (PARTITION BY endpoint ORDER BY due_ms, id) AS place
        FROM deliveries
        WHERE due_ms <= :now_ms AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
    ) r LEFT JOIN (
        SELECT endpoint, COUNT(*) AS busy FROM deliveries
        WHERE due_ms <= :now_ms AND lease_until_ms > :now_ms GROUP BY endpoint
    ) b ON b.endpoint = r.endpoint
    WHERE r.place + COALESCE(b.busy, 0) <= :per_endpoint
    ORDER BY r.place, r.due_ms LIMIT :limit
)
ORDER BY d.due_ms, d.id;

-- lease_delivery: claim a delivery until a time unless somebody else holds it
UPDATE deliveries SET lease_owner = :owner, lease_until_ms = :until_ms
WHERE id = :id AND due_ms IS NOT NULL AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms);

-- leased_deliveries: which of these an owner holds
SELECT id FROM deliveries WHERE id IN (:ids...) AND lease_owner = :owner;

-- finish_attempt: what an attempt leaves behind; only for the owner that still holds the lease
UPDATE deliveries SET
    state = :state, attempts = attempts + 1, due_ms = :due_ms, finished_ms = :finished_ms, last_status = :last_status,
    last_error = :last_error, lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND lease_owner = :owner;

-- insert_attempt: one HTTP try
INSERT INTO attempts (id, delivery, at_ms, latency_ms, status, error, response)
VALUES (:id, :delivery, :at_ms, :latency_ms, :status, :error, :response);

-- redeliver: make one delivery due again, its schedule from the start
UPDATE deliveries SET
    state = 'pending', attempts = 0, due_ms = :now_ms, finished_ms = NULL, lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id;

-- insert_audit: who did what by hand
INSERT INTO audit (id, at_ms, actor, action, task, detail) VALUES (:id, :at_ms, :actor, :action, :task, :detail);

-- task_by_key: the task that a provider knows by an id
SELECT * FROM tasks WHERE task_id = :task_id AND provider = :provider;

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

-- deliveries_of_task: what is owed for it
SELECT * FROM deliveries WHERE task = :task ORDER BY id;

-- attempts_of_task: every HTTP try for it
SELECT a.* FROM attempts a JOIN deliveries d ON d.id = a.delivery WHERE d.task = :task ORDER BY a.at_ms, a.id;

-- audit_of_task: what people did to it
SELECT * FROM audit WHERE task = :task ORDER BY at_ms, id;

-- events_after: events past a cursor, in order
SELECT * FROM events WHERE seq > :after ORDER BY seq LIMIT :limit;

-- events_after_of_types: the same, of some types
SELECT * FROM events WHERE seq > :after AND type IN (:types...) ORDER BY seq LIMIT :limit;

-- last_seq: number of the newest event
SELECT value FROM counters WHERE name = 'events';

-- delivery_by_id: one delivery
SELECT * FROM deliveries WHERE id = :id;

-- deliveries_page: newest first, any state
SELECT * FROM deliveries WHERE id < :cursor ORDER BY id DESC LIMIT :limit;

-- deliveries_page_in_state: newest first, one state
SELECT * FROM deliveries WHERE state = :state AND id < :cursor ORDER BY id DESC LIMIT :limit;

-- attempts_of_delivery: its history
SELECT * FROM attempts WHERE delivery = :delivery ORDER BY at_ms, id;

-- count_tasks: how many tasks each provider has in each state
SELECT provider, state, COUNT(*) AS number FROM tasks GROUP BY provider, state;

-- count_verdicts: how many reports got which verdict
SELECT verdict, COUNT(*) AS number FROM observations GROUP BY verdict;

-- keep: a value, unless the name has one
INSERT INTO kept (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING;

-- kept_value: what is kept under a name
SELECT value FROM kept WHERE name = :name;

-- open_migrations: the list of applied migrations
CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_ms BIGINT NOT NULL);

-- applied_migrations: names of applied migrations
SELECT name FROM migrations;

-- insert_migration: one more
INSERT INTO migrations (name, applied_ms) VALUES (:name, :now_ms);
