-- Subscriptions, and lanes: what is owed to one endpoint and how it behaves. A lane is a subscription's id, or the
-- host of tasks' own `notify`; what was owed before has its whole address for a lane.

CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    state TEXT NOT NULL,
    filter TEXT NOT NULL,
    secret TEXT NOT NULL,
    previous_secret TEXT,
    signing_key TEXT,
    previous_signing_key TEXT,
    previous_until_ms BIGINT,
    cloudevents INTEGER NOT NULL,
    handshake INTEGER NOT NULL,
    rate_per_s DOUBLE PRECISION,
    granted_per_s DOUBLE PRECISION,
    max_in_flight INTEGER,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    disabled_ms BIGINT,
    disabled_reason TEXT
);
CREATE INDEX subscriptions_state ON subscriptions (state, id);

-- Raised by every change of a subscription, in its transaction: whoever remembers subscriptions looks here first.
INSERT INTO counters (name, value) VALUES ('subscriptions', 0);

CREATE TABLE lanes (
    id TEXT PRIMARY KEY,
    next_due_ms BIGINT,
    served_ms BIGINT NOT NULL,
    paused_until_ms BIGINT,
    failures INTEGER NOT NULL,
    failing_since_ms BIGINT,
    slow_per_s DOUBLE PRECISION,
    tokens DOUBLE PRECISION NOT NULL,
    refilled_ms BIGINT NOT NULL
);
CREATE INDEX lanes_due ON lanes (next_due_ms) WHERE next_due_ms IS NOT NULL;

ALTER TABLE deliveries ADD COLUMN subscription TEXT;
ALTER TABLE deliveries ADD COLUMN lane TEXT NOT NULL DEFAULT '';
-- 1: made due by a replay, which gives way to everything else in its lane.
ALTER TABLE deliveries ADD COLUMN replayed INTEGER NOT NULL DEFAULT 0;
UPDATE deliveries SET lane = endpoint;
INSERT INTO lanes (id, next_due_ms, served_ms, failures, tokens, refilled_ms)
SELECT lane, MIN(due_ms), 0, 0, 0, 0 FROM deliveries WHERE due_ms IS NOT NULL GROUP BY lane;

DROP INDEX deliveries_due;
CREATE INDEX deliveries_lane ON deliveries (lane, replayed, due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX deliveries_leased ON deliveries (lane) WHERE lease_until_ms IS NOT NULL;
CREATE INDEX deliveries_unfinished ON deliveries (event_seq) WHERE due_ms IS NOT NULL;
CREATE INDEX deliveries_event ON deliveries (event_seq);
CREATE UNIQUE INDEX deliveries_subscription ON deliveries (subscription, event_seq);
CREATE INDEX deliveries_of_subscription ON deliveries (subscription, id) WHERE subscription IS NOT NULL;
-- Small: neither is touched by a delivery that succeeds at its first attempt.
CREATE INDEX deliveries_dead ON deliveries (subscription, id) WHERE state = 'dead';
CREATE INDEX deliveries_failing ON deliveries (subscription, id) WHERE state = 'pending' AND attempts > 0;
CREATE INDEX observations_age ON observations (at_ms, id);
CREATE INDEX attempts_age ON attempts (at_ms, id);
