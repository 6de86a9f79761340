-- Deleting what is old enough.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- clear_expired_keys: previous keys of rotations that are over
UPDATE subscriptions SET previous_secret = NULL, previous_signing_key = NULL, previous_until_ms = NULL
WHERE previous_until_ms <= :now_ms;

-- next_deleted_subscription: the next one whose deletion is not complete and that gets no further deliveries
SELECT id FROM subscriptions WHERE state = 'deleted' AND id > :after
  AND NOT EXISTS (
      SELECT 1 FROM former_subscriptions f
      WHERE f.id = subscriptions.id AND f.until_seq > (SELECT value FROM numbers WHERE name = 'fanned_out')
  )
ORDER BY id LIMIT 1;

-- unfinished_of_endpoint: some pending deliveries of an endpoint
SELECT id, lease_until_ms FROM deliveries WHERE endpoint_id = :endpoint_id AND due_ms IS NOT NULL
ORDER BY is_replay, due_ms LIMIT :limit;

-- mark_delivery_dead: make one a dead letter without another attempt, unless one is under way
UPDATE deliveries SET
    state = 'dead', due_ms = NULL, finished_ms = :now_ms, last_error = :reason, lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND due_ms IS NOT NULL AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms);

-- remove_endpoint: delete an endpoint
DELETE FROM endpoints WHERE id = :id;

-- remove_idle_endpoint: delete an endpoint, unless something became pending
DELETE FROM endpoints WHERE id = :id AND next_due_ms IS NULL;

-- remove_subscription: the end of a deletion
DELETE FROM subscriptions WHERE id = :id AND state = 'deleted';

-- unfinished_by_age: pending deliveries, the oldest events first, with their subscription and endpoint
SELECT
    d.id, d.event_seq, d.endpoint_id, d.subscription, d.lease_until_ms, e.at_ms AS event_ms,
    s.state AS subscription_state, ep.failing_since_ms
FROM deliveries d JOIN events e ON e.seq = d.event_seq
    LEFT JOIN subscriptions s ON s.id = d.subscription LEFT JOIN endpoints ep ON ep.id = d.endpoint_id
WHERE d.due_ms IS NOT NULL AND d.event_seq >= :after_seq AND (d.event_seq > :after_seq OR d.id > :after_id)
ORDER BY d.event_seq, d.id LIMIT :limit;

-- oldest_unfinished: the oldest event with a pending delivery, or the first number whose deliveries are not made yet
SELECT MIN(u.event_seq) AS event_seq FROM (
    SELECT MIN(event_seq) AS event_seq FROM deliveries WHERE due_ms IS NOT NULL
    UNION ALL
    SELECT value + 1 AS event_seq FROM numbers WHERE name = 'fanned_out'
) u;

-- oldest_events: where retention begins; locked, so that no replay requeues what is about to be deleted
SELECT seq, at_ms FROM events ORDER BY seq LIMIT :limit {lock};

-- delivery_past: the event of the first delivery beyond a number of them, if there are more up to an event
SELECT event_seq FROM deliveries WHERE event_seq <= :last ORDER BY event_seq LIMIT 1 OFFSET :number;

-- deliveries_of_events: all deliveries up to an event
SELECT id FROM deliveries WHERE event_seq <= :last;

-- remove_attempts_of_delivery: all attempts of a delivery
DELETE FROM attempts WHERE delivery = :delivery;

-- remove_deliveries_of_events: all deliveries up to an event
DELETE FROM deliveries WHERE event_seq <= :last;

-- remove_events: all events up to one
DELETE FROM events WHERE seq <= :last;

-- old_attempts: attempts after a cursor, oldest first, with whether their delivery is still due
SELECT a.id, a.at_ms, d.due_ms FROM attempts a LEFT JOIN deliveries d ON d.id = a.delivery
WHERE a.at_ms < :before_ms AND a.at_ms >= :after_ms AND (a.at_ms > :after_ms OR a.id > :after_id)
ORDER BY a.at_ms, a.id LIMIT :limit;

-- remove_attempt: one HTTP try
DELETE FROM attempts WHERE id = :id;

-- old_observations: observations after a cursor, oldest first, with the state of their task
SELECT o.id, o.at_ms, t.state, t.final_ms FROM observations o JOIN tasks t ON t.id = o.task
WHERE o.at_ms < :before_ms AND o.at_ms >= :after_ms AND (o.at_ms > :after_ms OR o.id > :after_id)
ORDER BY o.at_ms, o.id LIMIT :limit;

-- newest_observation: when the newest one was stored
SELECT MAX(at_ms) AS at_ms FROM observations;

-- remove_observation: one observation
DELETE FROM observations WHERE id = :id;

-- endpoints_by_id: endpoints past an id, with the subscription that each may belong to
SELECT ep.*, s.id AS subscription FROM endpoints ep LEFT JOIN subscriptions s ON s.id = ep.id
WHERE ep.id > :after ORDER BY ep.id LIMIT :limit;
