-- Every statement of the program, once, in the dialect that SQLite and Postgres share.
-- A header line is two hyphens, the name, a colon and the purpose. `:name` is a parameter, `:name...` a list of them;
-- {lock} and {skip_locked} are the row-lock clauses of engines that have them.

-- tasks_by_keys_or_ids: tasks of any provider with these provider ids, the caller picks the provider, or with these of ours
SELECT * FROM tasks WHERE task_id IN (:provider_task_ids...) OR id IN (:ids...) ORDER BY id {lock};

-- tasks_by_ids: tasks with these ids of ours
SELECT * FROM tasks WHERE id IN (:ids...) ORDER BY id {lock};

-- states_of_tasks: the state of each of these tasks
SELECT id, state FROM tasks WHERE id IN (:ids...);

-- task_by_idempotency_key: the task that used a key first
SELECT * FROM tasks WHERE idempotency_key = :idempotency_key;

-- insert_task: a new task; nothing happens when the id, the provider's id or the idempotency key is taken
INSERT INTO tasks (
    id, provider, task_id, model, state, raw_state, progress, request, request_hash, submit_body, labels, notify_url,
    notify_secret, idempotency_key, outputs, error, adopted, callback_expected, created_ms, submitted_ms, final_ms,
    deadline_ms, overdue_ms, result_expires_ms, next_poll_ms, missing_since_ms, polls, submits, final_event, supersedes
) VALUES (
    :id, :provider, :provider_task_id, :model, :state, :raw_state, :progress, :request, :request_hash, :submit_body, :labels,
    :notify_url, :notify_secret, :idempotency_key, :outputs, :error, :adopted, :callback_expected, :created_ms,
    :submitted_ms, :final_ms, :deadline_ms, :overdue_ms, :result_expires_ms, :next_poll_ms, :missing_since_ms, :polls,
    :submits, :final_event, :supersedes
) ON CONFLICT DO NOTHING;

-- update_task: all that may change after a task was opened, leases aside
UPDATE tasks SET
    task_id = :provider_task_id, model = :model, state = :state, raw_state = :raw_state, progress = :progress,
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

-- take_seqs: reserve the next `count` numbers; the row is held to the commit, so numbers are seen in their order
UPDATE counters SET value = value + :count WHERE name = 'events' RETURNING value;

-- prove_writable: a write that changes nothing anyone reads
UPDATE counters SET value = value + 1 WHERE name = 'checks';

-- insert_event: one event
INSERT INTO events (seq, id, task, type, at_ms, supersedes, body)
VALUES (:seq, :id, :task, :type, :at_ms, :supersedes, :body);

-- insert_delivery: one event owed to one endpoint
INSERT INTO deliveries (
    id, event_seq, event_id, event_type, task, subscription, lane, endpoint, state, attempts, due_ms, created_ms
) VALUES (
    :id, :event_seq, :event_id, :event_type, :task, :subscription, :lane, :endpoint, 'pending', 0, :due_ms, :due_ms
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
UPDATE accounts SET tokens = :tokens, refilled_ms = :refilled_ms WHERE provider = :provider;

-- pause_account: ask nothing of a provider until a time; a longer pause and a standing alarm are kept
UPDATE accounts SET
    paused_until_ms = CASE WHEN paused_until_ms > :until_ms THEN paused_until_ms ELSE :until_ms END,
    paused_reason = :reason, alarm = COALESCE(CAST(:alarm AS TEXT), alarm)
WHERE provider = :provider;

-- unpause_account: end a pause and its alarm
UPDATE accounts SET paused_until_ms = NULL, paused_reason = NULL, alarm = NULL WHERE provider = :provider;

-- due_lanes: lanes with something to lease, least recently served first, with what is leased of each already
SELECT l.*, s.rate_per_s, s.granted_per_s, s.max_in_flight, (
    SELECT COUNT(*) FROM deliveries d WHERE d.lane = l.id AND d.lease_until_ms > :now_ms
) AS busy
FROM (
    SELECT * FROM lanes
    WHERE next_due_ms <= :now_ms AND (paused_until_ms IS NULL OR paused_until_ms <= :now_ms)
      AND NOT EXISTS (SELECT 1 FROM subscriptions x WHERE x.id = lanes.id AND x.state <> 'active')
    ORDER BY served_ms, id LIMIT :limit
) l LEFT JOIN subscriptions s ON s.id = l.id
ORDER BY l.served_ms, l.id;

-- free_deliveries: what is due and free of a lane, replayed or not, longest due first; only this much is ever read
SELECT id, lane FROM deliveries
WHERE lane = :lane AND replayed = :replayed AND due_ms <= :now_ms
  AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
ORDER BY due_ms LIMIT :count {skip_locked};

-- newest_free_deliveries: the same, those that became due last
SELECT id, lane FROM deliveries
WHERE lane = :lane AND replayed = :replayed AND due_ms <= :now_ms
  AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
ORDER BY due_ms DESC LIMIT :count {skip_locked};

-- lease_delivery: claim a delivery until a time unless somebody else holds it
UPDATE deliveries SET lease_owner = :owner, lease_until_ms = :until_ms
WHERE id = :id AND due_ms IS NOT NULL AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms);

-- leased_deliveries: which of these an owner holds, with all that an attempt needs, longest due first
SELECT
    d.id, d.lane, d.subscription, d.event_id, d.event_type, d.task, d.endpoint, d.attempts, e.at_ms, e.body,
    t.notify_secret, s.url, s.secret, s.previous_secret, s.signing_key, s.previous_signing_key, s.previous_until_ms,
    s.cloudevents, s.handshake
FROM deliveries d JOIN events e ON e.seq = d.event_seq
LEFT JOIN tasks t ON t.id = d.task
LEFT JOIN subscriptions s ON s.id = d.subscription
WHERE d.id IN (:ids...) AND d.lease_owner = :owner
ORDER BY d.due_ms, d.id;

-- lanes_by_ids: these lanes, with the limits of their subscriptions
SELECT
    lanes.*,
    (SELECT rate_per_s FROM subscriptions s WHERE s.id = lanes.id) AS rate_per_s,
    (SELECT granted_per_s FROM subscriptions s WHERE s.id = lanes.id) AS granted_per_s,
    (SELECT max_in_flight FROM subscriptions s WHERE s.id = lanes.id) AS max_in_flight
FROM lanes WHERE id IN (:ids...) ORDER BY id {lock};

-- update_lane: how an endpoint behaves and when it was last served
UPDATE lanes SET
    served_ms = :served_ms, paused_until_ms = :paused_until_ms, failures = :failures,
    failing_since_ms = :failing_since_ms, slow_per_s = :slow_per_s, tokens = :tokens, refilled_ms = :refilled_ms
WHERE id = :id;

-- refresh_lane: when something of it can be leased next: what is free, or what is leased and lost; NULL when all is done
UPDATE lanes SET next_due_ms = (
    SELECT MIN(n.at_ms) FROM (
        SELECT (
            SELECT due_ms FROM deliveries
            WHERE lane = :id AND replayed = 0 AND due_ms IS NOT NULL
              AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
            ORDER BY due_ms LIMIT 1
        ) AS at_ms
        UNION ALL
        SELECT (
            SELECT due_ms FROM deliveries
            WHERE lane = :id AND replayed = 1 AND due_ms IS NOT NULL
              AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
            ORDER BY due_ms LIMIT 1
        ) AS at_ms
        UNION ALL
        SELECT MIN(lease_until_ms) AS at_ms FROM deliveries WHERE lane = :id AND lease_until_ms > :now_ms
    ) n
)
WHERE id = :id;

-- wake_lane: something of it is due at a time; the first time of a lane opens it
INSERT INTO lanes (id, next_due_ms, served_ms, failures, tokens, refilled_ms) VALUES (:id, :due_ms, 0, 0, 0, 0)
ON CONFLICT (id) DO UPDATE SET next_due_ms = excluded.next_due_ms
WHERE lanes.next_due_ms IS NULL OR lanes.next_due_ms > excluded.next_due_ms;

-- subscriptions_version: how often subscriptions have changed
SELECT value FROM counters WHERE name = 'subscriptions';

-- touch_subscriptions: whoever remembers subscriptions reads them anew
UPDATE counters SET value = value + 1 WHERE name = 'subscriptions';

-- active_subscriptions: all to whom something may be owed
SELECT * FROM subscriptions WHERE state = 'active' ORDER BY id;

-- subscriptions_by_ids: these subscriptions, without deleted ones
SELECT * FROM subscriptions WHERE id IN (:ids...) AND state <> 'deleted' ORDER BY id {lock};

-- disable_subscription: owe it nothing new, and let wait what it is owed
UPDATE subscriptions SET
    state = 'disabled', disabled_ms = :disabled_ms, disabled_reason = :disabled_reason, changed_ms = :disabled_ms
WHERE id = :id AND state = 'active';

-- finish_attempt: what an attempt leaves behind; only for the owner that still holds the lease
UPDATE deliveries SET
    state = :state, attempts = attempts + 1, due_ms = :due_ms, finished_ms = :finished_ms, last_status = :last_status,
    last_error = :last_error, lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND lease_owner = :owner;

-- insert_attempt: one HTTP try
INSERT INTO attempts (id, delivery, at_ms, latency_ms, status, error, response)
VALUES (:id, :delivery, :at_ms, :latency_ms, :status, :error, :response);

-- redeliver: make one delivery due again, its schedule from the start, unless it is under way or its subscription is gone
UPDATE deliveries SET
    state = 'pending', attempts = 0, due_ms = :now_ms, replayed = 0, finished_ms = NULL,
    lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
  AND (subscription IS NULL OR EXISTS (
      SELECT 1 FROM subscriptions s WHERE s.id = deliveries.subscription AND s.state <> 'deleted'
  ));

-- insert_audit: who did what by hand
INSERT INTO audit (id, at_ms, actor, action, task, detail) VALUES (:id, :at_ms, :actor, :action, :task, :detail);

-- task_by_key: the task that a provider knows by an id
SELECT * FROM tasks WHERE task_id = :provider_task_id AND provider = :provider;

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

-- deliveries_of_task: what is owed for it, and whether its subscription is sent anything
SELECT d.*, s.state AS subscription_state
FROM deliveries d LEFT JOIN subscriptions s ON s.id = d.subscription
WHERE d.task = :task ORDER BY d.id;

-- attempts_of_task: every HTTP try for it, and to whom
SELECT a.*, d.subscription, d.endpoint FROM attempts a JOIN deliveries d ON d.id = a.delivery WHERE d.task = :task ORDER BY a.at_ms, a.id;

-- audit_of_task: what people did to it
SELECT * FROM audit WHERE task = :task ORDER BY at_ms, id;

-- events_after: events past a cursor, in order
SELECT * FROM events WHERE seq > :after ORDER BY seq LIMIT :limit;

-- events_up_to: events past a cursor and up to a number, in order
SELECT * FROM events WHERE seq > :after AND seq <= :until ORDER BY seq LIMIT :limit;

-- events_up_to_of_types: the same, of some types
SELECT * FROM events WHERE seq > :after AND seq <= :until AND type IN (:types...) ORDER BY seq LIMIT :limit;

-- cursor_bounds: the cursors before the oldest event that is kept and at the newest; the same when none is kept
SELECT COALESCE((SELECT MIN(seq) FROM events) - 1, value) AS oldest_after, value AS last_seq
FROM counters WHERE name = 'events';

-- last_seq: number of the newest event
SELECT value FROM counters WHERE name = 'events';

-- oldest_seq: number of the oldest event that is kept; NULL when none is
SELECT MIN(seq) AS seq FROM events;

-- delivery_by_id: one delivery
SELECT * FROM deliveries WHERE id = :id;

-- deliveries_page: newest first, any state
SELECT * FROM deliveries WHERE id < :cursor ORDER BY id DESC LIMIT :limit;

-- deliveries_page_in_state: newest first, one state
SELECT * FROM deliveries WHERE state = :state AND id < :cursor ORDER BY id DESC LIMIT :limit;

-- deliveries_page_of_subscription: newest first, of one subscription, any state or one
SELECT * FROM deliveries
WHERE subscription = :subscription AND id < :cursor AND (CAST(:state AS TEXT) IS NULL OR state = :state)
ORDER BY id DESC LIMIT :limit;

-- dead_page_of_subscription: newest first, dead letters of one subscription
SELECT * FROM deliveries
WHERE subscription = :subscription AND state = 'dead' AND id < :cursor
ORDER BY id DESC LIMIT :limit;

-- count_pending_of_subscription: how many are not finished; its lane has its name
SELECT COUNT(*) AS number FROM deliveries WHERE lane = :subscription AND due_ms IS NOT NULL;

-- count_dead_of_subscription: how many of its are dead letters
SELECT COUNT(*) AS number FROM deliveries WHERE subscription = :subscription AND state = 'dead';

-- failing_of_subscription: the newest one that was tried in vain and will be tried again
SELECT * FROM deliveries
WHERE subscription = :subscription AND state = 'pending' AND attempts > 0
ORDER BY id DESC LIMIT 1;

-- dead_of_subscription: the newest dead letter
SELECT * FROM deliveries WHERE subscription = :subscription AND state = 'dead' ORDER BY id DESC LIMIT 1;

-- count_dead: every dead letter
SELECT COUNT(*) AS number FROM deliveries WHERE state = 'dead';

-- attempts_of_delivery: its history
SELECT * FROM attempts WHERE delivery = :delivery ORDER BY at_ms, id;

-- events_between: events past a number, up to one and within a time, in order
SELECT * FROM events
WHERE seq > :after AND seq <= :last AND at_ms >= :since_ms AND at_ms < :until_ms
ORDER BY seq LIMIT :limit;

-- hold_events: those of these that are still kept, held until the commit
SELECT seq FROM events WHERE seq IN (:seqs...) ORDER BY seq {lock};

-- owed_of_events: which of these events are still kept, and the state of each one's delivery to a subscription
SELECT e.seq, e.id, e.type, e.task, d.state
FROM events e LEFT JOIN deliveries d ON d.event_seq = e.seq AND d.subscription = :subscription
WHERE e.seq IN (:seqs...)
ORDER BY e.seq;

-- replay_delivery: owe an event to a subscription once more, or for the first time; one that is due already stays as it is
INSERT INTO deliveries (
    id, event_seq, event_id, event_type, task, subscription, lane, endpoint, state, attempts, due_ms, replayed, created_ms
) VALUES (
    :id, :event_seq, :event_id, :event_type, :task, :subscription, :lane, :endpoint, 'pending', 0, :now_ms, 1, :now_ms
) ON CONFLICT (subscription, event_seq) DO UPDATE SET
    state = 'pending', attempts = 0, due_ms = excluded.due_ms, replayed = 1, endpoint = excluded.endpoint,
    finished_ms = NULL, lease_owner = NULL, lease_until_ms = NULL
WHERE deliveries.due_ms IS NULL;

-- wipe_previous_keys: what signed along and does so no more
UPDATE subscriptions SET previous_secret = NULL, previous_signing_key = NULL, previous_until_ms = NULL
WHERE previous_until_ms <= :now_ms;

-- next_deleted_subscription: one whose deletion is not complete
SELECT id FROM subscriptions WHERE state = 'deleted' AND id > :after ORDER BY id LIMIT 1;

-- unfinished_of_lane: some of what an endpoint is owed
SELECT id, lease_until_ms FROM deliveries WHERE lane = :lane AND due_ms IS NOT NULL
ORDER BY replayed, due_ms LIMIT :limit;

-- bury_delivery: give one up without another attempt, unless one is under way
UPDATE deliveries SET
    state = 'dead', due_ms = NULL, finished_ms = :now_ms, last_error = :reason, lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND due_ms IS NOT NULL AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms);

-- remove_lane: forget an endpoint
DELETE FROM lanes WHERE id = :id;

-- remove_idle_lane: forget an endpoint that owes nothing, if it still owes nothing
DELETE FROM lanes WHERE id = :id AND next_due_ms IS NULL;

-- remove_subscription: the end of a deletion
DELETE FROM subscriptions WHERE id = :id AND state = 'deleted';

-- unfinished_by_age: what is owed, the oldest events first, with who waits for it
SELECT
    d.id, d.event_seq, d.lane, d.subscription, d.lease_until_ms, e.at_ms AS event_ms, s.state AS subscription_state,
    l.failing_since_ms
FROM deliveries d JOIN events e ON e.seq = d.event_seq
    LEFT JOIN subscriptions s ON s.id = d.subscription LEFT JOIN lanes l ON l.id = d.lane
WHERE d.due_ms IS NOT NULL AND d.event_seq >= :after_seq AND (d.event_seq > :after_seq OR d.id > :after_id)
ORDER BY d.event_seq, d.id LIMIT :limit;

-- oldest_unfinished: the oldest event that is still owed to somebody
SELECT MIN(event_seq) AS event_seq FROM deliveries WHERE due_ms IS NOT NULL;

-- oldest_events: where retention begins; held, so that no replay makes due what is about to go
SELECT seq, at_ms FROM events ORDER BY seq LIMIT :limit {lock};

-- delivery_past: the event of the delivery that is one too many, if there are more than a number up to an event
SELECT event_seq FROM deliveries WHERE event_seq <= :last ORDER BY event_seq LIMIT 1 OFFSET :number;

-- deliveries_of_events: all deliveries up to an event
SELECT id FROM deliveries WHERE event_seq <= :last;

-- remove_attempts_of_delivery: its history
DELETE FROM attempts WHERE delivery = :delivery;

-- remove_deliveries_of_events: all deliveries up to an event
DELETE FROM deliveries WHERE event_seq <= :last;

-- remove_events: all up to one
DELETE FROM events WHERE seq <= :last;

-- old_attempts: attempts past a mark, oldest first, with whether their delivery is still due
SELECT a.id, a.at_ms, d.due_ms FROM attempts a LEFT JOIN deliveries d ON d.id = a.delivery
WHERE a.at_ms < :before_ms AND a.at_ms >= :after_ms AND (a.at_ms > :after_ms OR a.id > :after_id)
ORDER BY a.at_ms, a.id LIMIT :limit;

-- remove_attempt: one HTTP try
DELETE FROM attempts WHERE id = :id;

-- old_observations: lines of timelines past a mark, oldest first, with how their task is
SELECT o.id, o.at_ms, t.state, t.final_ms FROM observations o JOIN tasks t ON t.id = o.task
WHERE o.at_ms < :before_ms AND o.at_ms >= :after_ms AND (o.at_ms > :after_ms OR o.id > :after_id)
ORDER BY o.at_ms, o.id LIMIT :limit;

-- remove_observation: one line of a timeline
DELETE FROM observations WHERE id = :id;

-- lanes_by_id: endpoints past an id, with the subscription that each may belong to
SELECT l.*, s.id AS subscription FROM lanes l LEFT JOIN subscriptions s ON s.id = l.id
WHERE l.id > :after ORDER BY l.id LIMIT :limit;

-- count_tasks: how many tasks each provider has in each state
SELECT provider, state, COUNT(*) AS number FROM tasks GROUP BY provider, state;

-- count_subscriptions: how many there are
SELECT COUNT(*) AS number FROM subscriptions WHERE state <> 'deleted';

-- insert_subscription: a new one
INSERT INTO subscriptions (
    id, url, description, state, filter, secret, previous_secret, signing_key, previous_signing_key, previous_until_ms,
    cloudevents, handshake, rate_per_s, granted_per_s, max_in_flight, created_ms, changed_ms, disabled_ms,
    disabled_reason
) VALUES (
    :id, :url, :description, :state, :filter, :secret, :previous_secret, :signing_key, :previous_signing_key,
    :previous_until_ms, :cloudevents, :handshake, :rate_per_s, :granted_per_s, :max_in_flight, :created_ms, :changed_ms,
    :disabled_ms, :disabled_reason
);

-- update_subscription: all that may change after it was made
UPDATE subscriptions SET
    url = :url, description = :description, state = :state, filter = :filter, secret = :secret,
    previous_secret = :previous_secret, signing_key = :signing_key, previous_signing_key = :previous_signing_key,
    previous_until_ms = :previous_until_ms, cloudevents = :cloudevents, handshake = :handshake,
    rate_per_s = :rate_per_s, granted_per_s = :granted_per_s, max_in_flight = :max_in_flight, changed_ms = :changed_ms,
    disabled_ms = :disabled_ms, disabled_reason = :disabled_reason
WHERE id = :id;

-- delete_subscription: never seen again; what it is owed is cleared up in batches, and then the row goes
UPDATE subscriptions SET
    state = 'deleted', secret = '', previous_secret = NULL, signing_key = NULL, previous_signing_key = NULL,
    previous_until_ms = NULL, changed_ms = :now_ms
WHERE id = :id AND state <> 'deleted';

-- subscription_to_change: one, held until the change is committed
SELECT * FROM subscriptions WHERE id = :id AND state <> 'deleted' {lock};

-- subscription_by_id: one
SELECT * FROM subscriptions WHERE id = :id AND state <> 'deleted';

-- subscriptions_page: newest first, any state or one
SELECT * FROM subscriptions
WHERE id < :cursor AND state <> 'deleted' AND (CAST(:state AS TEXT) IS NULL OR state = :state)
ORDER BY id DESC LIMIT :limit;

-- lanes_of_subscriptions: how some endpoints have been behaving
SELECT * FROM lanes WHERE id IN (:ids...);

-- reset_lane: an endpoint's record starts anew
UPDATE lanes SET failures = 0, failing_since_ms = NULL, paused_until_ms = NULL, slow_per_s = NULL WHERE id = :id;

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
