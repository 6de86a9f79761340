-- A process from before 0012 makes the deliveries of an event when it stores it, and keeps no former subscription. The
-- new name stops it: it can neither store an event nor change a subscription. What it is committing is waited for, so
-- the next statement sees it.
ALTER TABLE counters RENAME TO numbers;

-- What such a process stored after 0012 has its deliveries already.
UPDATE numbers SET value = (SELECT MAX(event_seq) FROM deliveries)
WHERE name = 'fanned_out' AND value < (SELECT MAX(event_seq) FROM deliveries);
