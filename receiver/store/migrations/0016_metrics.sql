-- How often something happened in a minute, of all processes together; see `receiver.store.minutes`. Kept for 25 hours.
-- `provider` is empty where it does not apply.
CREATE TABLE minute_counts (
    name TEXT NOT NULL,
    minute_ms BIGINT NOT NULL,
    provider TEXT NOT NULL,
    label TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (name, minute_ms, provider, label)
);

-- Small: what an operator looks into. A task that ends in time and a line of its timeline touch none of them.
CREATE INDEX tasks_overdue ON tasks (overdue_ms, provider) WHERE overdue_ms IS NOT NULL AND final_ms IS NULL;
CREATE INDEX observations_contradictions ON observations (verdict, at_ms, task) WHERE verdict = 'contradiction';
CREATE INDEX observations_unknown_words ON observations (state, at_ms, task)
    WHERE state = 'running' AND detail LIKE '%"unknown_word"%';
