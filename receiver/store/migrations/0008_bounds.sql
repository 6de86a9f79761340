-- How many reports of each kind a task has had, as a JSON object, because the timeline stores only the first of them.
ALTER TABLE tasks ADD COLUMN reports TEXT NOT NULL DEFAULT '{}';

-- Numbers of events that were lost with a part of the ledger: `after_seq` < seq <= `until_seq`. They are not given
-- out again, because followers have seen other events under them.
CREATE TABLE lost_events (
    until_seq BIGINT PRIMARY KEY,
    after_seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL
);
