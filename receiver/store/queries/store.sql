-- The schema's own tables.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- prove_writable: a write to a row that nobody reads
UPDATE numbers SET value = value + 1 WHERE name = 'checks';

-- insert_metadata: a value, unless the name has one
INSERT INTO metadata (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING;

-- metadata_value: the value of a name
SELECT value FROM metadata WHERE name = :name;

-- set_metadata: the value of a name, whether it had one or not
INSERT INTO metadata (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- remove_metadata: a name has no value any more
DELETE FROM metadata WHERE name = :name;

-- ledger_mark: how far the ledger has come
SELECT value AS events, (SELECT MAX(id) FROM tasks) AS task FROM numbers WHERE name = 'events';

-- skip_event_numbers: the next event gets a number after this one; never a smaller one than it would get
UPDATE numbers SET value = :value WHERE name = 'events' AND value < :value;

-- insert_lost_events: numbers that are not given out again, because their events were lost with a part of the ledger
INSERT INTO lost_events (after_seq, until_seq, at_ms) VALUES (:after_seq, :until_seq, :now_ms) ON CONFLICT DO NOTHING;

-- newest_lost_events: the last time that the ledger stepped back
SELECT * FROM lost_events ORDER BY until_seq DESC LIMIT 1;

-- open_migrations: the list of applied migrations
CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_ms BIGINT NOT NULL);

-- applied_migrations: names of applied migrations
SELECT name FROM migrations;

-- insert_migration: one more
INSERT INTO migrations (name, applied_ms) VALUES (:name, :now_ms);
