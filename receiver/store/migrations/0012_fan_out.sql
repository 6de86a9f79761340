-- A process of an older version makes the deliveries of an event when it stores it, and keeps no former subscription. The
-- new name stops it: it can neither store an event nor change a subscription. What it is committing is waited for, so
-- the next statement sees it.
ALTER TABLE counters RENAME TO numbers;

-- Up to which event deliveries were made. What is stored already has its deliveries.
INSERT INTO numbers (name, value) SELECT 'fanned_out', value FROM numbers WHERE name = 'events';

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
