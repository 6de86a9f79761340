-- How long tasks take, learned from those that ended.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- set_counter: of a counter that the transaction has locked
UPDATE numbers SET value = :value WHERE name = :name;

-- all_durations: what was learned, the most ends first
SELECT * FROM durations ORDER BY count DESC, provider, model, resolution, length LIMIT :limit;

-- set_durations: what was learned of one key
INSERT INTO durations (provider, model, resolution, length, count, learned_ms, learned)
VALUES (:provider, :model, :resolution, :length, :count, :learned_ms, :learned)
ON CONFLICT (provider, model, resolution, length)
DO UPDATE SET count = excluded.count, learned_ms = excluded.learned_ms, learned = excluded.learned;

-- ended_tasks: the tasks of the terminal events after a number
SELECT e.seq, t.id, t.provider, t.model, t.request, t.state, t.callback_expected, t.adopted, t.settled, t.sent_ms,
    t.submitted_ms, t.final_ms, t.seen_open_ms
FROM events e JOIN tasks t ON t.id = e.task
WHERE e.seq > :after AND e.seq <= :until AND e.type IN ('task.succeeded', 'task.failed', 'task.canceled')
ORDER BY e.seq;

-- reported_ends: what was said about the ends of these tasks, oldest first
SELECT task, source, state, detail FROM observations
WHERE task IN (:tasks...) AND verdict IN ('applied', 'duplicate') AND state IN ('succeeded', 'failed', 'canceled')
ORDER BY task, at_ms, id;

-- open_tasks: some tasks of a provider that wait for a poll, the next ones first
SELECT provider, model, request, sent_ms, submitted_ms FROM tasks
WHERE provider = :provider AND next_poll_ms >= :now_ms AND state IN ('submitted', 'running')
ORDER BY next_poll_ms LIMIT :limit;

-- unlearned_events: whether events came since durations were learned last
SELECT 1 AS found FROM numbers l JOIN numbers e ON e.name = 'events' AND e.value <> l.value WHERE l.name = 'durations';

-- forget_durations: what was learned long ago makes room
DELETE FROM durations WHERE learned_ms < :before_ms;
