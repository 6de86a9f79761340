-- Since when a provider is paused: only an answer to a request that was sent later ends the pause.
ALTER TABLE accounts ADD COLUMN paused_since_ms BIGINT;

-- Dead letters at the hosts of `notify`, by host. A delivery touches this index only when it becomes a dead letter.
CREATE INDEX deliveries_dead_of_notify ON deliveries (endpoint_id, id) WHERE state = 'dead' AND subscription IS NULL;
