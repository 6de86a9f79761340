-- Each index has a query that needs it, and each change of a row touches few of them.

DROP INDEX observations_verdict;

-- In place of (provider, state): an end takes a task out of it, and nothing is put in again. Tasks are counted by it
-- alone.
DROP INDEX tasks_provider;
CREATE INDEX tasks_open ON tasks (provider, state, final_ms, overdue_ms) WHERE final_ms IS NULL AND overdue_ms IS NULL;

-- Small: a task is leased for the time of one poll.
CREATE INDEX tasks_leased ON tasks (provider, lease_until_ms) WHERE lease_until_ms IS NOT NULL;

-- With the provider, so that tasks are counted by the index alone.
DROP INDEX tasks_state;
CREATE INDEX tasks_state ON tasks (state, id, provider);

-- The deliveries of a task are those of its events.
DROP INDEX deliveries_task;

-- The event first, because numbers of events rise: a new delivery is put in at the end of the index. Retention, which
-- deletes by event, needs no index of its own then.
DROP INDEX deliveries_event;
DROP INDEX deliveries_subscription;
CREATE UNIQUE INDEX deliveries_subscription ON deliveries (event_seq, subscription);
