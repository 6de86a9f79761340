-- How long tasks take, learned from those that ended: of a provider, of a model there, of a resolution and clip length of
-- it. An empty text means all of them. `learned` is a histogram as JSON.
CREATE TABLE durations (
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    resolution TEXT NOT NULL,
    length TEXT NOT NULL,
    count BIGINT NOT NULL,
    learned_ms BIGINT NOT NULL,
    learned TEXT NOT NULL,
    PRIMARY KEY (provider, model, resolution, length)
);
-- The number of the last event whose task was learned from.
INSERT INTO counters (name, value) VALUES ('durations', 0);

-- When a poll last found the task unfinished: its end lies after that.
ALTER TABLE tasks ADD COLUMN seen_open_ms BIGINT;
