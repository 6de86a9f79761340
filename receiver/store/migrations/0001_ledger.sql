-- The ledger. Times are unix milliseconds, JSON is text, booleans are 0 or 1, ids are text made by the program.

CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    task_id TEXT,
    model TEXT,
    state TEXT NOT NULL,
    raw_state TEXT NOT NULL,
    progress INTEGER,
    request TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    submit_body TEXT,
    labels TEXT NOT NULL,
    notify_url TEXT,
    notify_secret TEXT,
    idempotency_key TEXT,
    outputs TEXT NOT NULL,
    error TEXT,
    adopted INTEGER NOT NULL,
    callback_expected INTEGER NOT NULL,
    created_ms BIGINT NOT NULL,
    submitted_ms BIGINT,
    final_ms BIGINT,
    deadline_ms BIGINT,
    overdue_ms BIGINT,
    result_expires_ms BIGINT,
    next_poll_ms BIGINT,
    missing_since_ms BIGINT,
    polls INTEGER NOT NULL,
    submits INTEGER NOT NULL,
    final_event TEXT,
    supersedes TEXT,
    lease_owner TEXT,
    lease_until_ms BIGINT,
    UNIQUE (task_id, provider),
    UNIQUE (idempotency_key)
);
CREATE INDEX tasks_due ON tasks (provider, next_poll_ms) WHERE next_poll_ms IS NOT NULL;
CREATE INDEX tasks_deadline ON tasks (deadline_ms)
    WHERE deadline_ms IS NOT NULL AND overdue_ms IS NULL AND final_ms IS NULL;
CREATE INDEX tasks_state ON tasks (state, id);
CREATE INDEX tasks_provider ON tasks (provider, state);

CREATE TABLE task_labels (
    task TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (task, name)
);
CREATE INDEX task_labels_value ON task_labels (name, value, task);

CREATE TABLE observations (
    id TEXT PRIMARY KEY,
    task TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    raw_state TEXT NOT NULL,
    verdict TEXT NOT NULL,
    detail TEXT NOT NULL,
    raw TEXT NOT NULL
);
CREATE INDEX observations_task ON observations (task, at_ms);
CREATE INDEX observations_verdict ON observations (verdict);

CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('events', 0), ('checks', 0);

CREATE TABLE events (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    task TEXT NOT NULL,
    type TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    supersedes TEXT,
    body TEXT NOT NULL
);
CREATE INDEX events_task ON events (task, seq);

CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    event_seq BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    task TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_ms BIGINT,
    created_ms BIGINT NOT NULL,
    finished_ms BIGINT,
    last_status INTEGER,
    last_error TEXT,
    lease_owner TEXT,
    lease_until_ms BIGINT
);
CREATE INDEX deliveries_due ON deliveries (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX deliveries_state ON deliveries (state, id);
CREATE INDEX deliveries_task ON deliveries (task);

CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    delivery TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    latency_ms BIGINT NOT NULL,
    status INTEGER,
    error TEXT,
    response TEXT NOT NULL
);
CREATE INDEX attempts_delivery ON attempts (delivery, at_ms);

CREATE TABLE accounts (
    provider TEXT PRIMARY KEY,
    tokens DOUBLE PRECISION NOT NULL,
    refilled_ms BIGINT NOT NULL,
    paused_until_ms BIGINT,
    paused_reason TEXT,
    alarm TEXT
);

CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    task TEXT,
    detail TEXT NOT NULL
);
CREATE INDEX audit_task ON audit (task, at_ms);

CREATE TABLE kept (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
