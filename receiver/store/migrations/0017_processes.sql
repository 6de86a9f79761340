-- Which processes run on the ledger: each renews its row every minute, and takes it out when it stops. `pruned_ms` is
-- when its last run of retention succeeded; empty where it runs no jobs.
CREATE TABLE processes (
    id TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    version TEXT NOT NULL,
    python TEXT NOT NULL,
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    started_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    pruned_ms BIGINT
);

-- The audit by who and by what, the newest first.
CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_action ON audit (action, id);
