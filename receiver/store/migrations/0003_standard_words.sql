-- Tables and columns get the standard words. Rows stay as they are.

ALTER TABLE kept RENAME TO metadata;

-- `id` is a subscription's id, or scheme and host of the addresses in tasks' own `notify`.
ALTER TABLE lanes RENAME TO endpoints;
ALTER TABLE endpoints RENAME COLUMN served_ms TO last_leased_ms;
ALTER TABLE endpoints RENAME COLUMN slow_per_s TO throttled_rate_per_s;

ALTER TABLE deliveries RENAME COLUMN lane TO endpoint_id;
-- 1: requeued by a replay, which is sent after everything else that its endpoint waits for.
ALTER TABLE deliveries RENAME COLUMN replayed TO is_replay;

-- SQLite cannot rename an index. These two are partial and hold unfinished work only, so making them again is cheap.
DROP INDEX lanes_due;
CREATE INDEX endpoints_due ON endpoints (next_due_ms) WHERE next_due_ms IS NOT NULL;
DROP INDEX deliveries_lane;
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, is_replay, due_ms) WHERE due_ms IS NOT NULL;
