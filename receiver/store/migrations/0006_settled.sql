-- Whether a task has its provider's id from an operator and from nobody else yet: then the id may be corrected.

ALTER TABLE tasks ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;

UPDATE tasks SET settled = 1
WHERE state IN ('submitted', 'running') AND EXISTS (
    SELECT 1 FROM observations o
    WHERE o.task = tasks.id AND o.source = 'operator' AND o.state = 'submitted'
);
