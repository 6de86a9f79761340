-- Since when a provider is paused: only an answer to a request that was sent later ends the pause.
ALTER TABLE accounts ADD COLUMN paused_since_ms BIGINT;

-- The dead letters of one endpoint. A delivery touches this index only when it becomes a dead letter.
CREATE INDEX deliveries_dead_of_endpoint ON deliveries (endpoint_id, id) WHERE state = 'dead';
