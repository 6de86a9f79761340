-- What operators started at the dashboard: a run goes through what a condition finds, page by page, and any process may
-- go on with it. `nonce` is the form's: the same form gives one run. `notes` is a JSON array of what was left out and
-- why, `cursor` where the next page begins.
CREATE TABLE operator_runs (
    id TEXT PRIMARY KEY,
    nonce TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    condition TEXT NOT NULL,
    expected BIGINT,
    done BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    notes TEXT NOT NULL,
    state TEXT NOT NULL,
    cursor TEXT,
    created_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    last_error TEXT,
    lease_owner TEXT,
    lease_until_ms BIGINT
);
CREATE INDEX operator_runs_open ON operator_runs (state, created_ms) WHERE state = 'running';

-- Small, and hardly ever touched: a task enters it when its deadline passes.
CREATE INDEX tasks_overdue_ids ON tasks (id) WHERE overdue_ms IS NOT NULL AND final_ms IS NULL;
