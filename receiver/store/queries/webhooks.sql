-- Subscriptions, endpoints, deliveries and attempts, and writing events.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- reserve_event_numbers: the next `count` event numbers; locked until the commit, so they appear in order
UPDATE numbers SET value = value + :count WHERE name = 'events' RETURNING value;

-- insert_event: add an event
INSERT INTO events (seq, id, task, type, at_ms, supersedes, body)
VALUES (:seq, :id, :task, :type, :at_ms, :supersedes, :body);

-- insert_delivery: add a pending delivery of one event to one endpoint
INSERT INTO deliveries (
    id, event_seq, event_id, event_type, task, subscription, endpoint_id, endpoint, state, attempts, due_ms, created_ms
) VALUES (
    :id, :event_seq, :event_id, :event_type, :task, :subscription, :endpoint_id, :endpoint, 'pending', 0, :due_ms,
    :created_ms
) ON CONFLICT (subscription, event_seq) DO NOTHING;

-- fan_out_place: up to which event deliveries were made, the number of the newest event, and how often subscriptions have changed
SELECT
    (SELECT value FROM numbers WHERE name = 'fanned_out') AS done, value AS newest,
    (SELECT value FROM numbers WHERE name = 'subscriptions') AS version
FROM numbers WHERE name = 'events';

-- fan_out_lag: how many events have no deliveries yet, and the first of them
SELECT n.value - e.seq + 1 AS number, e.type, e.at_ms
FROM numbers f JOIN numbers n ON n.name = 'events' JOIN events e ON e.seq > f.value
WHERE f.name = 'fanned_out' ORDER BY e.seq LIMIT 1;

-- lock_counter: the value of a counter, locked until the commit
SELECT value FROM numbers WHERE name = :name {lock};

-- set_fan_out: deliveries were made up to this event
UPDATE numbers SET value = :seq WHERE name = 'fanned_out';

-- events_to_fan_out: events past a number and up to one, with `notify` of their tasks, in order
SELECT e.seq, e.id, e.type, e.task, e.at_ms, CASE WHEN :has_body = 1 THEN e.body END AS body, t.notify_url
FROM events e LEFT JOIN tasks t ON t.id = e.task
WHERE e.seq > :after AND e.seq <= :until ORDER BY e.seq LIMIT :limit;

-- subscribers: subscriptions that receive events, as they are and as they were, each with the numbers for which it counts
SELECT id, url, filter, since_seq AS after_seq, NULL AS until_seq FROM subscriptions WHERE state = 'active'
UNION ALL
SELECT id, url, filter, after_seq, until_seq FROM former_subscriptions
ORDER BY id, after_seq;

-- keep_former_subscription: a subscription as it is, for the events up to now that have no deliveries yet
INSERT INTO former_subscriptions (id, until_seq, after_seq, url, filter)
SELECT s.id, e.value, s.since_seq, s.url, s.filter
FROM subscriptions s, numbers e
WHERE s.id = :id AND s.state = 'active' AND e.name = 'events' AND e.value > s.since_seq
  AND e.value > (SELECT value FROM numbers WHERE name = 'fanned_out');

-- count_from_now: a subscription receives, as it will be, the events after the newest one
UPDATE subscriptions SET since_seq = (SELECT value FROM numbers WHERE name = 'events') WHERE id = :id;

-- remove_former_subscriptions: those whose events all have their deliveries
DELETE FROM former_subscriptions WHERE until_seq <= :seq;

-- due_endpoints: endpoints with something to lease, least recently leased first, and what owners have leased of each whose names do not begin with the process
SELECT ep.*, s.rate_per_s, s.granted_per_s, s.max_in_flight, (
    SELECT COUNT(*) FROM deliveries d
    WHERE d.endpoint_id = ep.id AND d.lease_until_ms > :now_ms
      AND SUBSTR(d.lease_owner, 1, LENGTH(CAST(:process AS TEXT))) <> CAST(:process AS TEXT)
) AS busy
FROM (
    SELECT * FROM endpoints
    WHERE next_due_ms <= :now_ms AND (paused_until_ms IS NULL OR paused_until_ms <= :now_ms)
      AND NOT EXISTS (SELECT 1 FROM subscriptions x WHERE x.id = endpoints.id AND x.state <> 'active')
    ORDER BY last_leased_ms, id LIMIT :limit
) ep LEFT JOIN subscriptions s ON s.id = ep.id
ORDER BY ep.last_leased_ms, ep.id;

-- leasable_deliveries: due deliveries of an endpoint, not leased, replays or not, longest due first
SELECT id, endpoint_id, is_replay FROM deliveries
WHERE endpoint_id = :endpoint_id AND is_replay = :is_replay AND due_ms <= :now_ms
  AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
ORDER BY due_ms LIMIT :count {skip_locked};

-- newest_leasable_deliveries: the same, newest due first
SELECT id, endpoint_id, is_replay FROM deliveries
WHERE endpoint_id = :endpoint_id AND is_replay = :is_replay AND due_ms <= :now_ms
  AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
ORDER BY due_ms DESC LIMIT :count {skip_locked};

-- lease_delivery: lease a delivery unless another owner has it leased
UPDATE deliveries SET lease_owner = :owner, lease_until_ms = :until_ms
WHERE id = :id AND due_ms IS NOT NULL AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms);

-- leased_deliveries: those of these that an owner has leased, with all that an attempt needs, longest due first and replays last
SELECT
    d.id, d.endpoint_id, d.subscription, d.event_id, d.event_type, d.task, d.endpoint, d.attempts, e.at_ms, e.body,
    t.provider, t.notify_secret, s.url, s.secret, s.previous_secret, s.signing_key, s.previous_signing_key, s.previous_until_ms,
    s.cloudevents, s.handshake
FROM deliveries d JOIN events e ON e.seq = d.event_seq
LEFT JOIN tasks t ON t.id = d.task
LEFT JOIN subscriptions s ON s.id = d.subscription
WHERE d.id IN (:ids...) AND d.lease_owner = :owner
ORDER BY d.is_replay, d.due_ms, d.id;

-- release_delivery: end a lease before its time; only for the owner that has it
UPDATE deliveries SET lease_owner = NULL, lease_until_ms = NULL WHERE id = :id AND lease_owner = :owner;

-- endpoints_by_ids: these endpoints, locked, with the limits of their subscriptions
SELECT
    endpoints.*,
    (SELECT rate_per_s FROM subscriptions s WHERE s.id = endpoints.id) AS rate_per_s,
    (SELECT granted_per_s FROM subscriptions s WHERE s.id = endpoints.id) AS granted_per_s,
    (SELECT max_in_flight FROM subscriptions s WHERE s.id = endpoints.id) AS max_in_flight
FROM endpoints WHERE id IN (:ids...) ORDER BY id {lock};

-- update_endpoint: store an endpoint's health and the time of its last lease
UPDATE endpoints SET
    last_leased_ms = :last_leased_ms, paused_until_ms = :paused_until_ms, failures = :failures,
    failing_since_ms = :failing_since_ms, throttled_rate_per_s = :throttled_rate_per_s,
    tokens = :tokens, refilled_ms = :refilled_ms
WHERE id = :id;

-- update_endpoint_due_time: when a delivery can be leased next: when one is due or a lease ends; NULL: nothing pending
UPDATE endpoints SET next_due_ms = (
    SELECT MIN(n.at_ms) FROM (
        SELECT (
            SELECT due_ms FROM deliveries
            WHERE endpoint_id = :id AND is_replay = 0 AND due_ms IS NOT NULL
              AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
            ORDER BY due_ms LIMIT 1
        ) AS at_ms
        UNION ALL
        SELECT (
            SELECT due_ms FROM deliveries
            WHERE endpoint_id = :id AND is_replay = 1 AND due_ms IS NOT NULL
              AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
            ORDER BY due_ms LIMIT 1
        ) AS at_ms
        UNION ALL
        SELECT MIN(lease_until_ms) AS at_ms FROM deliveries WHERE endpoint_id = :id AND lease_until_ms > :now_ms
    ) n
)
WHERE id = :id;

-- endpoints_ahead: endpoints whose next delivery, pause, last lease or tokens lie in the future
SELECT id FROM endpoints
WHERE next_due_ms > :now_ms OR paused_until_ms > :now_ms OR last_leased_ms > :now_ms OR refilled_ms > :now_ms
ORDER BY id;

-- pull_back_deliveries: deliveries of an endpoint after so many attempts whose due time a clock set which was ahead
UPDATE deliveries SET due_ms = :now_ms
WHERE endpoint_id = :endpoint_id AND due_ms > :latest_ms AND attempts >= :fewest AND attempts <= :most
  AND (CASE WHEN last_status IN (429, 503) THEN 1 ELSE 0 END) = :is_throttled;

-- pull_back_delivery_leases: leases that a clock set which was ahead; their owners may be posting, so they end later
UPDATE deliveries SET lease_until_ms = :until_ms WHERE endpoint_id = :endpoint_id AND lease_until_ms > :latest_ms;

-- pull_back_endpoint: a pause, a last lease and tokens that a clock set which was ahead
UPDATE endpoints SET
    paused_until_ms = CASE
        WHEN paused_until_ms > CASE WHEN throttled_rate_per_s IS NULL THEN :latest_open_ms ELSE :latest_throttled_ms END
        THEN :now_ms ELSE paused_until_ms
    END,
    last_leased_ms = CASE WHEN last_leased_ms > :latest_ms THEN :now_ms ELSE last_leased_ms END,
    refilled_ms = CASE WHEN refilled_ms > :latest_ms THEN :now_ms ELSE refilled_ms END
WHERE id = :id AND (
    last_leased_ms > :latest_ms OR refilled_ms > :latest_ms
    OR paused_until_ms > CASE WHEN throttled_rate_per_s IS NULL THEN :latest_open_ms ELSE :latest_throttled_ms END
);

-- schedule_endpoint: a delivery is due at this time; adds the endpoint at its first delivery
INSERT INTO endpoints (id, next_due_ms, last_leased_ms, failures, tokens, refilled_ms) VALUES (:id, :due_ms, 0, 0, 0, 0)
ON CONFLICT (id) DO UPDATE SET next_due_ms = excluded.next_due_ms
WHERE endpoints.next_due_ms IS NULL OR endpoints.next_due_ms > excluded.next_due_ms;

-- bump_subscriptions_version: processes that cache subscriptions read them again
UPDATE numbers SET value = value + 1 WHERE name = 'subscriptions';

-- subscriptions_by_ids: these subscriptions, locked, without deleted ones
SELECT * FROM subscriptions WHERE id IN (:ids...) AND state <> 'deleted' ORDER BY id {lock};

-- disable_subscription: stop new deliveries; pending ones wait
UPDATE subscriptions SET
    state = 'disabled', disabled_ms = :disabled_ms, disabled_reason = :disabled_reason, changed_ms = :disabled_ms
WHERE id = :id AND state = 'active';

-- finish_attempt: store what an attempt changes; only for the owner that still has the lease
UPDATE deliveries SET
    state = :state, attempts = attempts + 1, due_ms = :due_ms, finished_ms = :finished_ms, last_status = :last_status,
    last_error = :last_error, lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND lease_owner = :owner;

-- insert_attempt: add one HTTP attempt
INSERT INTO attempts (id, delivery, at_ms, latency_ms, status, error, response)
VALUES (:id, :delivery, :at_ms, :latency_ms, :status, :error, :response);

-- redeliver: requeue a delivery and restart its schedule, unless it is leased or its subscription was deleted
UPDATE deliveries SET
    state = 'pending', attempts = 0, due_ms = :now_ms, is_replay = 0, finished_ms = NULL,
    lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
  AND (subscription IS NULL OR EXISTS (
      SELECT 1 FROM subscriptions s WHERE s.id = deliveries.subscription AND s.state <> 'deleted'
  ));

-- oldest_seq: number of the oldest event that is stored; NULL when none is
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

-- count_pending_of_subscription: how many are not finished; a subscription's endpoint has its id
SELECT COUNT(*) AS number FROM deliveries WHERE endpoint_id = :subscription AND due_ms IS NOT NULL;

-- count_dead_of_subscription: how many of its deliveries are dead letters
SELECT COUNT(*) AS number FROM deliveries WHERE subscription = :subscription AND state = 'dead';

-- newest_failing_of_subscription: the newest delivery that failed and will be tried again
SELECT * FROM deliveries
WHERE subscription = :subscription AND state = 'pending' AND attempts > 0
ORDER BY id DESC LIMIT 1;

-- newest_dead_of_subscription: the newest dead letter
SELECT * FROM deliveries WHERE subscription = :subscription AND state = 'dead' ORDER BY id DESC LIMIT 1;

-- count_dead: how many dead letters there are
SELECT COUNT(*) AS number FROM deliveries WHERE state = 'dead';

-- attempts_of_delivery: all HTTP attempts of a delivery
SELECT * FROM attempts WHERE delivery = :delivery ORDER BY at_ms, id;

-- events_between: events past a number, up to one and within a time, in order
SELECT * FROM events
WHERE seq > :after AND seq <= :last AND at_ms >= :since_ms AND at_ms < :until_ms
ORDER BY seq LIMIT :limit;

-- lock_events: those of these that are still stored, locked until the commit
SELECT seq FROM events WHERE seq IN (:seqs...) ORDER BY seq {lock};

-- delivery_states_of_events: which of these events are still stored, and the state of their delivery to a subscription
SELECT e.seq, e.id, e.type, e.task, d.state
FROM events e LEFT JOIN deliveries d ON d.event_seq = e.seq AND d.subscription = :subscription
WHERE e.seq IN (:seqs...)
ORDER BY e.seq;

-- requeue_delivery: add or requeue the delivery of an event to a subscription; one that is pending stays as it is
INSERT INTO deliveries (
    id, event_seq, event_id, event_type, task, subscription, endpoint_id, endpoint, state, attempts, due_ms, is_replay,
    created_ms
) VALUES (
    :id, :event_seq, :event_id, :event_type, :task, :subscription, :endpoint_id, :endpoint, 'pending', 0, :now_ms, 1,
    :now_ms
) ON CONFLICT (subscription, event_seq) DO UPDATE SET
    state = 'pending', attempts = 0, due_ms = excluded.due_ms, is_replay = 1, endpoint = excluded.endpoint,
    finished_ms = NULL, lease_owner = NULL, lease_until_ms = NULL
WHERE deliveries.due_ms IS NULL;

-- count_subscriptions: how many there are
SELECT COUNT(*) AS number FROM subscriptions WHERE state <> 'deleted';

-- insert_subscription: add a subscription
INSERT INTO subscriptions (
    id, url, description, state, filter, secret, previous_secret, signing_key, previous_signing_key, previous_until_ms,
    cloudevents, handshake, rate_per_s, granted_per_s, max_in_flight, created_ms, changed_ms, disabled_ms,
    disabled_reason, key_id, since_seq
) VALUES (
    :id, :url, :description, :state, :filter, :secret, :previous_secret, :signing_key, :previous_signing_key,
    :previous_until_ms, :cloudevents, :handshake, :rate_per_s, :granted_per_s, :max_in_flight, :created_ms, :changed_ms,
    :disabled_ms, :disabled_reason, :key_id, (SELECT value FROM numbers WHERE name = 'events')
);

-- update_subscription: store every column that can change
UPDATE subscriptions SET
    url = :url, description = :description, state = :state, filter = :filter, secret = :secret,
    previous_secret = :previous_secret, signing_key = :signing_key, previous_signing_key = :previous_signing_key,
    previous_until_ms = :previous_until_ms, cloudevents = :cloudevents, handshake = :handshake,
    rate_per_s = :rate_per_s, granted_per_s = :granted_per_s, max_in_flight = :max_in_flight, changed_ms = :changed_ms,
    disabled_ms = :disabled_ms, disabled_reason = :disabled_reason
WHERE id = :id;

-- delete_subscription: hide it at once and wipe its secrets; retention ends its deliveries and then removes the row
UPDATE subscriptions SET
    state = 'deleted', secret = '', previous_secret = NULL, signing_key = NULL, previous_signing_key = NULL,
    previous_until_ms = NULL, changed_ms = :now_ms
WHERE id = :id AND state <> 'deleted';

-- lock_subscription: one subscription, locked until the commit
SELECT * FROM subscriptions WHERE id = :id AND state <> 'deleted' {lock};

-- subscription_by_id: one subscription
SELECT * FROM subscriptions WHERE id = :id AND state <> 'deleted';

-- subscriptions_page: newest first, any state or one, of any key or one
SELECT * FROM subscriptions
WHERE id < :cursor AND state <> 'deleted' AND (CAST(:state AS TEXT) IS NULL OR state = :state)
  AND (CAST(:key_id AS TEXT) IS NULL OR key_id = :key_id)
ORDER BY id DESC LIMIT :limit;

-- subscriptions_shown: these subscriptions, newest first, without deleted ones
SELECT * FROM subscriptions WHERE id IN (:ids...) AND state <> 'deleted' ORDER BY id DESC;

-- endpoints_of_subscriptions: the endpoints of these subscriptions
SELECT * FROM endpoints WHERE id IN (:ids...);

-- reset_endpoint_health: clear an endpoint's failures, pause and throttling
UPDATE endpoints SET failures = 0, failing_since_ms = NULL, paused_until_ms = NULL, throttled_rate_per_s = NULL
WHERE id = :id;

-- later_deliveries: pending deliveries of an endpoint that are due later and not leased, longest due first
SELECT id FROM deliveries
WHERE endpoint_id = :endpoint_id AND is_replay IN (0, 1) AND due_ms > :now_ms
  AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
ORDER BY due_ms LIMIT :limit {skip_locked};

-- bring_forward: make a pending delivery due now unless it is leased
UPDATE deliveries SET due_ms = :now_ms
WHERE id = :id AND due_ms > :now_ms AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms);

-- notify_endpoints: hosts of `notify` past an id, all or only those with trouble; those with dead letters always have some
SELECT n.id, SUM(n.number) AS dead FROM (
    SELECT ep.id, 0 AS number FROM endpoints ep
    WHERE ep.id > :cursor AND NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.id = ep.id)
      AND (:only_failing = 0 OR ep.failures > 0 OR ep.throttled_rate_per_s IS NOT NULL OR ep.paused_until_ms > :now_ms)
    UNION ALL
    SELECT endpoint_id AS id, COUNT(*) AS number FROM deliveries
    WHERE state = 'dead' AND subscription IS NULL AND endpoint_id > :cursor
    GROUP BY endpoint_id
) n
GROUP BY n.id ORDER BY n.id LIMIT :limit;

-- dead_of_notify: dead letters at a host of `notify`, oldest first
SELECT id FROM deliveries
WHERE state = 'dead' AND subscription IS NULL AND endpoint_id = :endpoint_id
ORDER BY id LIMIT :limit {skip_locked};

-- requeue_dead: make a dead letter due again with its schedule from the start, after what is new
UPDATE deliveries SET
    state = 'pending', attempts = 0, due_ms = :now_ms, is_replay = 1, finished_ms = NULL,
    lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND state = 'dead';

-- count_dead_of_notify: how many dead letters there are at a host of `notify`
SELECT COUNT(*) AS number FROM deliveries
WHERE state = 'dead' AND subscription IS NULL AND endpoint_id = :endpoint_id;

-- dead_letters_of_tasks: dead letters among the deliveries of these tasks' events
SELECT d.id FROM events e JOIN deliveries d ON d.event_seq = e.seq
WHERE e.task IN (:tasks...) AND d.state = 'dead'
ORDER BY d.id;

-- deliveries_of_event: deliveries of one event, oldest first
SELECT * FROM deliveries WHERE event_seq = :seq ORDER BY id LIMIT :limit;

-- open_of_subscription: how many of its deliveries are pending and how many are dead letters, each counted up to a limit
SELECT
    (SELECT COUNT(*) FROM (
        SELECT id FROM deliveries WHERE endpoint_id = :subscription AND due_ms IS NOT NULL LIMIT :most
    ) p) AS pending,
    (SELECT COUNT(*) FROM (
        SELECT id FROM deliveries WHERE subscription = :subscription AND state = 'dead' LIMIT :most
    ) d) AS dead;

-- newest_of_subscription: of its newest deliveries past an id, at most so many, how many there are and how many were delivered
SELECT COUNT(*) AS made, COALESCE(SUM(CASE WHEN n.state = 'delivered' THEN 1 ELSE 0 END), 0) AS delivered
FROM (
    SELECT state FROM deliveries WHERE subscription = :subscription AND id > :after_id ORDER BY id DESC LIMIT :most
) n;
