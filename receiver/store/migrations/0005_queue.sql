-- A queue before each provider account, idempotency keys of each API key, and who has been told of a task.

-- 0 to 9; of two queued tasks of an account the one with the higher number is sent first.
ALTER TABLE tasks ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
-- How long it may wait in the queue; NULL: it does not wait.
ALTER TABLE tasks ADD COLUMN queued_until_ms BIGINT;
-- When its last submit was started; until now that was when the task was created.
ALTER TABLE tasks ADD COLUMN sent_ms BIGINT;
-- 1: a caller was answered 202, so the end of the task is told by an event.
ALTER TABLE tasks ADD COLUMN acknowledged INTEGER NOT NULL DEFAULT 0;
-- An idempotency key belongs to the API key that used it. Keys of before belong to all of them: `key_scope` is empty.
-- The column `idempotency_key`, which allowed each key once for all, gets no more values.
ALTER TABLE tasks ADD COLUMN request_key TEXT;
ALTER TABLE tasks ADD COLUMN key_scope TEXT NOT NULL DEFAULT '';

UPDATE tasks SET
    request_key = idempotency_key,
    sent_ms = CASE WHEN adopted = 0 THEN created_ms END,
    acknowledged = CASE WHEN state = 'refused' OR adopted = 1 THEN 0 ELSE 1 END;

CREATE UNIQUE INDEX tasks_request_key ON tasks (request_key, key_scope) WHERE request_key IS NOT NULL;
CREATE INDEX tasks_queued ON tasks (provider, priority DESC, id) WHERE state = 'queued';
CREATE INDEX tasks_queue_end ON tasks (queued_until_ms) WHERE state = 'queued';

-- The whole request of a task that is not sent yet, with its pictures; it is deleted once the submit has an outcome.
CREATE TABLE queued_requests (
    task TEXT PRIMARY KEY,
    request TEXT NOT NULL
);

-- What refused submits teach about an account. Polls have a pause of their own.
ALTER TABLE accounts ADD COLUMN submits_paused_until_ms BIGINT;
ALTER TABLE accounts ADD COLUMN submits_paused_reason TEXT;
-- Submits in a row that the provider did not take.
ALTER TABLE accounts ADD COLUMN submit_refusals INTEGER NOT NULL DEFAULT 0;
-- How many tasks in flight the provider took when it refused one more; NULL: it has refused none.
ALTER TABLE accounts ADD COLUMN learned_in_flight INTEGER;
-- When that was learned or last raised.
ALTER TABLE accounts ADD COLUMN learned_ms BIGINT;
