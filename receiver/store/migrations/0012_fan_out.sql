-- Up to which event deliveries were made. What is stored already has its deliveries.
INSERT INTO counters (name, value) SELECT 'fanned_out', value FROM counters WHERE name = 'events';

-- A subscription receives the events after this number.
ALTER TABLE subscriptions ADD COLUMN since_seq BIGINT NOT NULL DEFAULT 0;

-- Subscriptions as they were before a change, for events that have no deliveries yet: `after_seq` < seq <= `until_seq`.
CREATE TABLE former_subscriptions (
    id TEXT NOT NULL,
    until_seq BIGINT NOT NULL,
    after_seq BIGINT NOT NULL,
    url TEXT NOT NULL,
    filter TEXT NOT NULL,
    PRIMARY KEY (id, until_seq)
);
