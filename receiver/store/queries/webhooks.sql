-- Subscriptions, endpoints, deliveries and attempts, and the event rows that go with them.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- take_seqs: reserve the next `count` numbers; the row is held to the commit, so numbers are seen in their order
UPDATE counters SET value = value + :count WHERE name = 'events' RETURNING value;

-- insert_event: one event
INSERT INTO events (seq, id, task, type, at_ms, supersedes, body)
VALUES (:seq, :id, :task, :type, :at_ms, :supersedes, :body);

-- insert_delivery: one event owed to one endpoint
INSERT INTO deliveries (
    id, event_seq, event_id, event_type, task, subscription, lane, endpoint, state, attempts, due_ms, created_ms
) VALUES (
    :id, :event_seq, :event_id, :event_type, :task, :subscription, :lane, :endpoint, 'pending', 0, :due_ms, :due_ms
);

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
