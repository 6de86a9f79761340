-- The event log.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- events_after: events after a cursor, in order
SELECT * FROM events WHERE seq > :after ORDER BY seq LIMIT :limit;

-- events_up_to: events past a cursor and up to a number, in order
SELECT * FROM events WHERE seq > :after AND seq <= :until ORDER BY seq LIMIT :limit;

-- events_up_to_of_types: the same, of some types
SELECT * FROM events WHERE seq > :after AND seq <= :until AND type IN (:types...) ORDER BY seq LIMIT :limit;

-- cursor_bounds: the cursor before the oldest stored event and the one at the newest, equal when no event is stored; and the first lost numbers that end after a cursor
SELECT
    COALESCE((SELECT MIN(seq) FROM events) - 1, value) AS oldest_after, value AS last_seq,
    (SELECT MIN(after_seq) FROM lost_events WHERE until_seq > :after) AS lost_after,
    (SELECT MIN(until_seq) FROM lost_events WHERE until_seq > :after) AS lost_until
FROM numbers WHERE name = 'events';

-- last_seq: number of the newest event
SELECT value FROM numbers WHERE name = 'events';

-- event_by_id: one event
SELECT * FROM events WHERE id = :id;

-- events_before: events with a smaller number, and not below one, newest first
SELECT * FROM events WHERE seq < :before AND seq >= :first ORDER BY seq DESC LIMIT :limit;

-- events_before_of_types: the same, of some types
SELECT * FROM events WHERE seq < :before AND seq >= :first AND type IN (:types...) ORDER BY seq DESC LIMIT :limit;

-- events_before_of_task: events of one task with a smaller number, newest first
SELECT * FROM events WHERE task = :task AND seq < :before ORDER BY seq DESC LIMIT :limit;

-- event_from: the first event that is stored with a number or a greater one
SELECT seq, at_ms FROM events WHERE seq >= :seq ORDER BY seq LIMIT 1;
