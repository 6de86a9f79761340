-- Why a submit was refused, so that a repeated idempotency key gets the same answer after the timeline was deleted.
-- Until now both stood only in the timeline, as {"refusal":"quota","error":{...},"status":402}.

ALTER TABLE tasks ADD COLUMN refusal TEXT;
ALTER TABLE tasks ADD COLUMN refusal_status INTEGER;

UPDATE tasks SET refusal = (
    SELECT CASE
        WHEN o.detail LIKE '{"refusal":"invalid",%' THEN 'invalid'
        WHEN o.detail LIKE '{"refusal":"denied",%' THEN 'denied'
        WHEN o.detail LIKE '{"refusal":"quota",%' THEN 'quota'
        WHEN o.detail LIKE '{"refusal":"throttled",%' THEN 'throttled'
        ELSE 'unavailable'
    END
    FROM observations o
    WHERE o.task = tasks.id AND o.source = 'submit' AND o.detail LIKE '{"refusal":"%'
    ORDER BY o.at_ms DESC, o.id DESC LIMIT 1
)
WHERE state = 'refused';

UPDATE tasks SET refusal_status = (
    SELECT CASE
        WHEN o.detail LIKE '%,"status":___}' THEN CAST(SUBSTR(o.detail, LENGTH(o.detail) - 3, 3) AS INTEGER)
    END
    FROM observations o
    WHERE o.task = tasks.id AND o.source = 'submit' AND o.detail LIKE '{"refusal":"%'
    ORDER BY o.at_ms DESC, o.id DESC LIMIT 1
)
WHERE state = 'refused';
