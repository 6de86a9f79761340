-- What is open now, for metrics and the dashboard, and what was counted by minute. None of them counts a big table: each
-- reads an index of open rows, and no further than its limit.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- open_by_provider: how many tasks of one unfinished state each provider has, up to a limit in all, and the oldest of each
SELECT provider, COUNT(*) AS number, MIN(id) AS oldest
FROM (SELECT provider, id FROM tasks WHERE state = :state ORDER BY id LIMIT :limit) t GROUP BY provider;

-- sent_times: when the last submits of these tasks were started
SELECT provider, COALESCE(sent_ms, created_ms) AS at_ms FROM tasks WHERE id IN (:ids...);

-- oldest_queued: how many tasks of a provider are queued, up to a limit, and since when the oldest of these waits
SELECT COUNT(*) AS number, MIN(queued_ms) AS oldest_ms
FROM (
    SELECT queued_ms FROM tasks WHERE state = 'queued' AND provider = :provider
    ORDER BY priority DESC, queued_ms, id LIMIT :limit
) t;

-- overdue_by_provider: unfinished tasks whose `task.overdue` was published, up to a limit in all
SELECT provider, COUNT(*) AS number, MIN(overdue_ms) AS oldest_ms
FROM (
    SELECT provider, overdue_ms FROM tasks WHERE overdue_ms > 0 AND final_ms IS NULL ORDER BY overdue_ms LIMIT :limit
) t GROUP BY provider;

-- due_polls: how many tasks of a provider are due to be polled, up to a limit; those that are being polled count too
SELECT COUNT(*) AS number
FROM (
    SELECT next_poll_ms FROM tasks WHERE provider = :provider AND next_poll_ms <= :now_ms
    ORDER BY next_poll_ms LIMIT :limit
) t;

-- oldest_due_poll: since when the one is due that waits longest and is not being polled
SELECT next_poll_ms AS at_ms FROM tasks
WHERE provider = :provider AND next_poll_ms <= :now_ms AND (lease_until_ms IS NULL OR lease_until_ms <= :now_ms)
ORDER BY next_poll_ms LIMIT 1;

-- contradicted: tasks with a contradiction since a time, up to a limit of contradictions
SELECT t.provider, COUNT(DISTINCT t.id) AS number, MIN(o.at_ms) AS oldest_ms
FROM (
    SELECT task, at_ms FROM observations WHERE verdict = 'contradiction' AND at_ms >= :since_ms
    ORDER BY at_ms DESC LIMIT :limit
) o JOIN tasks t ON t.id = o.task GROUP BY t.provider;

-- unknown_words: unfinished tasks whose provider last said a word that its documents do not name, up to a limit of lines
SELECT t.provider, COUNT(DISTINCT t.id) AS number, MIN(o.at_ms) AS oldest_ms
FROM (
    SELECT task, at_ms, raw_state FROM observations
    WHERE state = 'running' AND at_ms >= :since_ms AND detail LIKE '%"unknown_word"%'
    ORDER BY at_ms DESC LIMIT :limit
) o JOIN tasks t ON t.id = o.task
WHERE t.state = 'running' AND t.raw_state = o.raw_state GROUP BY t.provider;

-- unknown_word_tasks: unfinished tasks of a provider whose last word its documents do not name, the newest first, up to a limit of lines
SELECT t.id, o.raw_state, o.at_ms
FROM (
    SELECT task, at_ms, raw_state FROM observations
    WHERE state = 'running' AND at_ms >= :since_ms AND detail LIKE '%"unknown_word"%'
    ORDER BY at_ms DESC LIMIT :limit
) o JOIN tasks t ON t.id = o.task
WHERE t.provider = :provider AND t.state = 'running' AND t.raw_state = o.raw_state ORDER BY o.at_ms DESC, t.id DESC;

-- oldest_due_delivery: since when the one is due that waits longest at an endpoint which may be posted to now
SELECT MIN(next_due_ms) AS at_ms FROM endpoints
WHERE next_due_ms <= :now_ms AND (paused_until_ms IS NULL OR paused_until_ms <= :now_ms)
  AND NOT EXISTS (SELECT 1 FROM subscriptions x WHERE x.id = endpoints.id AND x.state <> 'active');

-- oldest_without_deliveries: when the first event after a number was published
SELECT at_ms FROM events WHERE seq > :after ORDER BY seq LIMIT 1;

-- pending_deliveries: how many are not finished, up to a limit
SELECT COUNT(*) AS number FROM (SELECT id FROM deliveries WHERE event_seq > 0 AND due_ms IS NOT NULL LIMIT :limit) d;

-- dead_deliveries: how many dead letters there are, up to a limit, and the oldest of them
SELECT COUNT(*) AS number, MIN(id) AS oldest
FROM (SELECT id FROM deliveries WHERE state = 'dead' ORDER BY id LIMIT :limit) d;

-- delivery_times: when these deliveries were finished
SELECT finished_ms AS at_ms FROM deliveries WHERE id IN (:ids...);

-- subscriptions_by_state: how many there are in each state
SELECT state, COUNT(*) AS number FROM subscriptions WHERE state IN ('active', 'disabled') GROUP BY state;

-- failing_endpoints: those with pending deliveries that have failed so often in a row, the longest failing first
SELECT ep.id, s.url, ep.failures, ep.failing_since_ms, ep.paused_until_ms
FROM endpoints ep LEFT JOIN subscriptions s ON s.id = ep.id
WHERE ep.next_due_ms IS NOT NULL AND ep.failures >= :failures AND (s.state IS NULL OR s.state = 'active')
ORDER BY COALESCE(ep.failing_since_ms, 0), ep.id LIMIT :limit;

-- disabled_subscriptions: the first of them
SELECT id, url, disabled_ms, disabled_reason FROM subscriptions WHERE state = 'disabled' ORDER BY id LIMIT :limit;

-- add_minute_count: add what a process has counted to a minute
INSERT INTO minute_counts (name, minute_ms, provider, label, count)
VALUES (:name, :minute_ms, :provider, :label, :count)
ON CONFLICT (name, minute_ms, provider, label) DO UPDATE SET count = minute_counts.count + excluded.count;

-- remove_minute_counts: the minutes of one name before a time
DELETE FROM minute_counts WHERE name = :name AND minute_ms < :before_ms;

-- minute_counts: counts of one name since a time, added up in spans of time
SELECT minute_ms - minute_ms % :span_ms AS at_ms, provider, label, CAST(SUM(count) AS BIGINT) AS count
FROM minute_counts WHERE name = :name AND minute_ms >= :since_ms
GROUP BY at_ms, provider, label ORDER BY at_ms, provider, label;

-- last_minutes: when something was last counted of each provider since a time, one label left out
SELECT provider, MAX(minute_ms) AS at_ms FROM minute_counts
WHERE name = :name AND minute_ms >= :since_ms AND label <> :but AND count > 0 GROUP BY provider;
