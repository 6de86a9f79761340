-- Since when a task waits for its account: its request, or the last repeat of it under an idempotency key that was free.
ALTER TABLE tasks ADD COLUMN queued_ms BIGINT;
UPDATE tasks SET queued_ms = created_ms WHERE state IN ('queued', 'submitting', 'refused');

-- Both begin with the state: SQLite would prefer `tasks_state` to an index of fewer columns, as it has no statistics.
DROP INDEX tasks_queued;
DROP INDEX tasks_queue_end;
CREATE INDEX tasks_queued ON tasks (state, provider, priority DESC, queued_ms, id) WHERE state = 'queued';
CREATE INDEX tasks_queue_end ON tasks (state, queued_until_ms) WHERE state = 'queued';

-- When the pause of submits was last extended: only the receipt of a POST that was sent later ends it.
ALTER TABLE accounts ADD COLUMN submits_paused_since_ms BIGINT;
