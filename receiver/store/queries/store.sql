-- The schema's own tables.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- prove_writable: a write to a row that nobody reads
UPDATE counters SET value = value + 1 WHERE name = 'checks';

-- insert_metadata: a value, unless the name has one
INSERT INTO metadata (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING;

-- metadata_value: the value of a name
SELECT value FROM metadata WHERE name = :name;

-- open_migrations: the list of applied migrations
CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_ms BIGINT NOT NULL);

-- applied_migrations: names of applied migrations
SELECT name FROM migrations;

-- insert_migration: one more
INSERT INTO migrations (name, applied_ms) VALUES (:name, :now_ms);
