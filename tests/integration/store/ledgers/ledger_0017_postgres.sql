-- A ledger as the version with the migrations up to 0017_processes left it, made with that version's own code and the rows
-- of its tests. Every secret, key and address in it is made up. For Postgres.







CREATE TABLE public.accounts (
    provider text NOT NULL COLLATE pg_catalog."C",
    tokens double precision NOT NULL,
    refilled_ms bigint NOT NULL,
    paused_until_ms bigint,
    paused_reason text COLLATE pg_catalog."C",
    alarm text COLLATE pg_catalog."C",
    submits_paused_until_ms bigint,
    submits_paused_reason text COLLATE pg_catalog."C",
    submit_refusals integer DEFAULT 0 NOT NULL,
    learned_in_flight integer,
    learned_ms bigint,
    paused_since_ms bigint,
    submits_paused_since_ms bigint,
    submits_alarm text COLLATE pg_catalog."C"
);



CREATE TABLE public.attempts (
    id text NOT NULL COLLATE pg_catalog."C",
    delivery text NOT NULL COLLATE pg_catalog."C",
    at_ms bigint NOT NULL,
    latency_ms bigint NOT NULL,
    status integer,
    error text COLLATE pg_catalog."C",
    response text NOT NULL COLLATE pg_catalog."C"
);



CREATE TABLE public.audit (
    id text NOT NULL COLLATE pg_catalog."C",
    at_ms bigint NOT NULL,
    actor text NOT NULL COLLATE pg_catalog."C",
    action text NOT NULL COLLATE pg_catalog."C",
    task text COLLATE pg_catalog."C",
    detail text NOT NULL COLLATE pg_catalog."C"
);



CREATE TABLE public.deliveries (
    id text NOT NULL COLLATE pg_catalog."C",
    event_seq bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    event_type text NOT NULL COLLATE pg_catalog."C",
    task text NOT NULL COLLATE pg_catalog."C",
    endpoint text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    attempts integer NOT NULL,
    due_ms bigint,
    created_ms bigint NOT NULL,
    finished_ms bigint,
    last_status integer,
    last_error text COLLATE pg_catalog."C",
    lease_owner text COLLATE pg_catalog."C",
    lease_until_ms bigint,
    subscription text COLLATE pg_catalog."C",
    endpoint_id text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    is_replay integer DEFAULT 0 NOT NULL
);



CREATE TABLE public.durations (
    provider text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL COLLATE pg_catalog."C",
    resolution text NOT NULL COLLATE pg_catalog."C",
    length text NOT NULL COLLATE pg_catalog."C",
    count bigint NOT NULL,
    learned_ms bigint NOT NULL,
    learned text NOT NULL COLLATE pg_catalog."C"
);



CREATE TABLE public.endpoints (
    id text NOT NULL COLLATE pg_catalog."C",
    next_due_ms bigint,
    last_leased_ms bigint NOT NULL,
    paused_until_ms bigint,
    failures integer NOT NULL,
    failing_since_ms bigint,
    throttled_rate_per_s double precision,
    tokens double precision NOT NULL,
    refilled_ms bigint NOT NULL
);



CREATE TABLE public.events (
    seq bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    task text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C",
    at_ms bigint NOT NULL,
    supersedes text COLLATE pg_catalog."C",
    body text NOT NULL COLLATE pg_catalog."C"
);



CREATE TABLE public.former_subscriptions (
    id text NOT NULL COLLATE pg_catalog."C",
    until_seq bigint NOT NULL,
    after_seq bigint NOT NULL,
    url text NOT NULL COLLATE pg_catalog."C",
    filter text NOT NULL COLLATE pg_catalog."C"
);



CREATE TABLE public.lost_events (
    until_seq bigint NOT NULL,
    after_seq bigint NOT NULL,
    at_ms bigint NOT NULL
);



CREATE TABLE public.metadata (
    name text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL COLLATE pg_catalog."C"
);



CREATE TABLE public.migrations (
    name text NOT NULL,
    applied_ms bigint NOT NULL
);



CREATE TABLE public.minute_counts (
    name text NOT NULL COLLATE pg_catalog."C",
    minute_ms bigint NOT NULL,
    provider text NOT NULL COLLATE pg_catalog."C",
    label text NOT NULL COLLATE pg_catalog."C",
    count bigint NOT NULL
);



CREATE TABLE public.numbers (
    name text NOT NULL COLLATE pg_catalog."C",
    value bigint NOT NULL
);



CREATE TABLE public.observations (
    id text NOT NULL COLLATE pg_catalog."C",
    task text NOT NULL COLLATE pg_catalog."C",
    at_ms bigint NOT NULL,
    source text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    raw_state text NOT NULL COLLATE pg_catalog."C",
    verdict text NOT NULL COLLATE pg_catalog."C",
    detail text NOT NULL COLLATE pg_catalog."C",
    raw text NOT NULL COLLATE pg_catalog."C"
);



CREATE TABLE public.operator_runs (
    id text NOT NULL COLLATE pg_catalog."C",
    nonce text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    actor text NOT NULL COLLATE pg_catalog."C",
    condition text NOT NULL COLLATE pg_catalog."C",
    expected bigint,
    done bigint NOT NULL,
    failed bigint NOT NULL,
    notes text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    cursor text COLLATE pg_catalog."C",
    created_ms bigint NOT NULL,
    ended_ms bigint,
    last_error text COLLATE pg_catalog."C",
    lease_owner text COLLATE pg_catalog."C",
    lease_until_ms bigint
);



CREATE TABLE public.processes (
    id text NOT NULL COLLATE pg_catalog."C",
    role text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    python text NOT NULL COLLATE pg_catalog."C",
    host text NOT NULL COLLATE pg_catalog."C",
    pid bigint NOT NULL,
    started_ms bigint NOT NULL,
    seen_ms bigint NOT NULL,
    pruned_ms bigint
);



CREATE TABLE public.queued_requests (
    task text NOT NULL COLLATE pg_catalog."C",
    request text NOT NULL COLLATE pg_catalog."C"
);



CREATE TABLE public.subscriptions (
    id text NOT NULL COLLATE pg_catalog."C",
    url text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    filter text NOT NULL COLLATE pg_catalog."C",
    secret text NOT NULL COLLATE pg_catalog."C",
    previous_secret text COLLATE pg_catalog."C",
    signing_key text COLLATE pg_catalog."C",
    previous_signing_key text COLLATE pg_catalog."C",
    previous_until_ms bigint,
    cloudevents integer NOT NULL,
    handshake integer NOT NULL,
    rate_per_s double precision,
    granted_per_s double precision,
    max_in_flight integer,
    created_ms bigint NOT NULL,
    changed_ms bigint NOT NULL,
    disabled_ms bigint,
    disabled_reason text COLLATE pg_catalog."C",
    since_seq bigint DEFAULT 0 NOT NULL
);



CREATE TABLE public.task_labels (
    task text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL COLLATE pg_catalog."C"
);



CREATE TABLE public.tasks (
    id text NOT NULL COLLATE pg_catalog."C",
    provider text NOT NULL COLLATE pg_catalog."C",
    task_id text COLLATE pg_catalog."C",
    model text COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    raw_state text NOT NULL COLLATE pg_catalog."C",
    progress integer,
    request text NOT NULL COLLATE pg_catalog."C",
    request_hash text NOT NULL COLLATE pg_catalog."C",
    submit_body text COLLATE pg_catalog."C",
    labels text NOT NULL COLLATE pg_catalog."C",
    notify_url text COLLATE pg_catalog."C",
    notify_secret text COLLATE pg_catalog."C",
    idempotency_key text COLLATE pg_catalog."C",
    outputs text NOT NULL COLLATE pg_catalog."C",
    error text COLLATE pg_catalog."C",
    adopted integer NOT NULL,
    callback_expected integer NOT NULL,
    created_ms bigint NOT NULL,
    submitted_ms bigint,
    final_ms bigint,
    deadline_ms bigint,
    overdue_ms bigint,
    result_expires_ms bigint,
    next_poll_ms bigint,
    missing_since_ms bigint,
    polls integer NOT NULL,
    submits integer NOT NULL,
    final_event text COLLATE pg_catalog."C",
    supersedes text COLLATE pg_catalog."C",
    lease_owner text COLLATE pg_catalog."C",
    lease_until_ms bigint,
    refusal text COLLATE pg_catalog."C",
    refusal_status integer,
    priority integer DEFAULT 0 NOT NULL,
    queued_until_ms bigint,
    sent_ms bigint,
    acknowledged integer DEFAULT 0 NOT NULL,
    request_key text COLLATE pg_catalog."C",
    key_scope text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    settled integer DEFAULT 0 NOT NULL,
    reports text DEFAULT '{}'::text NOT NULL COLLATE pg_catalog."C",
    queued_ms bigint,
    seen_open_ms bigint
);



INSERT INTO public.accounts VALUES ('hiapi', 99, 1790000060000, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL);



INSERT INTO public.attempts VALUES ('att_01m3250v0080k9ctvm1p8bg9qr', 'dlv_01m3250v0080k9ctvm1p8bg9qn', 1790000000000, 1, 204, NULL, '');
INSERT INTO public.attempts VALUES ('att_01m3250v0080k9ctvm1p8bg9qs', 'dlv_01m3250v0080k9ctvm1p8bg9qb', 1790000000000, 1, 400, NULL, '');
INSERT INTO public.attempts VALUES ('att_01m3250v0080k9ctvm1p8bg9qt', 'dlv_01m3250v0080k9ctvm1p8bg9qc', 1790000000000, 1, 429, NULL, '');



INSERT INTO public.audit VALUES ('aud_01m3250v0080k9ctvm1p8bg9pn', 1790000000000, 'ann', 'subscription created', NULL, '{"subscription":"sub_1"}');
INSERT INTO public.audit VALUES ('aud_01m3250v0080k9ctvm1p8bg9pp', 1790000000000, 'ann', 'subscription created', NULL, '{"subscription":"sub_2"}');
INSERT INTO public.audit VALUES ('aud_01m3250v0080k9ctvm1p8bg9qv', 1790000000000, '完成 🎬 \N \. 	
''"%s %(a)s 
 ', 'cancel-tasks', NULL, '{"run":"run_1","condition":{"why":"完成 🎬 \\N \\. \t\r\n''\"%s %(a)s 
 "},"expected":null}');
INSERT INTO public.audit VALUES ('aud_01m3250v0080k9ctvm1p8bg9qw', 1790000000000, 'ann', 'polled', NULL, '{"why":"完成 🎬 \\N \\. \t\r\n''\"%s %(a)s 
 "}');



INSERT INTO public.deliveries VALUES ('dlv_01m3250v0080k9ctvm1p8bg9qd', 2, 'evt_01m3250v0080k9ctvm1p8bg9pv', 'task.succeeded', 'tsk_01m3250v0080k9ctvm1p8bg9pt', 'https://hooks.example/sub_1', 'pending', 0, 1789999999996, 1789999999996, NULL, NULL, NULL, NULL, NULL, 'sub_1', 'sub_1', 0);
INSERT INTO public.deliveries VALUES ('dlv_01m3250v0080k9ctvm1p8bg9qe', 2, 'evt_01m3250v0080k9ctvm1p8bg9pv', 'task.succeeded', 'tsk_01m3250v0080k9ctvm1p8bg9pt', 'https://hooks.example/sub_2', 'pending', 0, 1789999999996, 1789999999996, NULL, NULL, NULL, NULL, NULL, 'sub_2', 'sub_2', 0);
INSERT INTO public.deliveries VALUES ('dlv_01m3250v0080k9ctvm1p8bg9qf', 3, 'evt_01m3250v0080k9ctvm1p8bg9py', 'task.succeeded', 'tsk_01m3250v0080k9ctvm1p8bg9px', 'https://hooks.example/sub_1', 'pending', 0, 1789999999997, 1789999999997, NULL, NULL, NULL, NULL, NULL, 'sub_1', 'sub_1', 0);
INSERT INTO public.deliveries VALUES ('dlv_01m3250v0080k9ctvm1p8bg9qg', 3, 'evt_01m3250v0080k9ctvm1p8bg9py', 'task.succeeded', 'tsk_01m3250v0080k9ctvm1p8bg9px', 'https://hooks.example/sub_2', 'pending', 0, 1789999999997, 1789999999997, NULL, NULL, NULL, NULL, NULL, 'sub_2', 'sub_2', 0);
INSERT INTO public.deliveries VALUES ('dlv_01m3250v0080k9ctvm1p8bg9qh', 4, 'evt_01m3250v0080k9ctvm1p8bg9q1', 'task.succeeded', 'tsk_01m3250v0080k9ctvm1p8bg9q0', 'https://hooks.example/sub_1', 'pending', 0, 1789999999998, 1789999999998, NULL, NULL, NULL, NULL, NULL, 'sub_1', 'sub_1', 0);
INSERT INTO public.deliveries VALUES ('dlv_01m3250v0080k9ctvm1p8bg9qj', 4, 'evt_01m3250v0080k9ctvm1p8bg9q1', 'task.succeeded', 'tsk_01m3250v0080k9ctvm1p8bg9q0', 'https://hooks.example/sub_2', 'pending', 0, 1789999999998, 1789999999998, NULL, NULL, NULL, NULL, NULL, 'sub_2', 'sub_2', 0);
INSERT INTO public.deliveries VALUES ('dlv_01m3250v0080k9ctvm1p8bg9qk', 5, 'evt_01m3250v0080k9ctvm1p8bg9q4', 'task.succeeded', 'tsk_01m3250v0080k9ctvm1p8bg9q3', 'https://hooks.example/sub_1', 'pending', 0, 1789999999999, 1789999999999, NULL, NULL, NULL, NULL, NULL, 'sub_1', 'sub_1', 0);
INSERT INTO public.deliveries VALUES ('dlv_01m3250v0080k9ctvm1p8bg9qm', 5, 'evt_01m3250v0080k9ctvm1p8bg9q4', 'task.succeeded', 'tsk_01m3250v0080k9ctvm1p8bg9q3', 'https://hooks.example/sub_2', 'pending', 0, 1789999999999, 1789999999999, NULL, NULL, NULL, NULL, NULL, 'sub_2', 'sub_2', 0);
INSERT INTO public.deliveries VALUES ('dlv_01m3250v0080k9ctvm1p8bg9qp', 6, 'evt_01m3250v0080k9ctvm1p8bg9q7', 'task.failed', 'tsk_1', 'https://hooks.example/sub_1', 'pending', 0, 1790000000000, 1790000000000, NULL, NULL, NULL, NULL, NULL, 'sub_1', 'sub_1', 0);
INSERT INTO public.deliveries VALUES ('dlv_01m3250v0080k9ctvm1p8bg9qq', 6, 'evt_01m3250v0080k9ctvm1p8bg9q7', 'task.failed', 'tsk_1', 'https://hooks.example/sub_2', 'pending', 0, 1790000000000, 1790000000000, NULL, NULL, NULL, NULL, NULL, 'sub_2', 'sub_2', 0);
INSERT INTO public.deliveries VALUES ('dlv_01m3250v0080k9ctvm1p8bg9qn', 6, 'evt_01m3250v0080k9ctvm1p8bg9q7', 'task.failed', 'tsk_1', 'https://hooks.example/a', 'delivered', 1, NULL, 1790000000000, 1790000000000, 204, NULL, NULL, NULL, NULL, 'https://hooks.example', 0);
INSERT INTO public.deliveries VALUES ('dlv_01m3250v0080k9ctvm1p8bg9qb', 1, 'evt_01m3250v0080k9ctvm1p8bg9pr', 'task.succeeded', 'tsk_01m3250v0080k9ctvm1p8bg9pq', 'https://hooks.example/sub_1', 'dead', 1, NULL, 1789999999995, 1790000000000, 400, NULL, NULL, NULL, 'sub_1', 'sub_1', 0);
INSERT INTO public.deliveries VALUES ('dlv_01m3250v0080k9ctvm1p8bg9qc', 1, 'evt_01m3250v0080k9ctvm1p8bg9pr', 'task.succeeded', 'tsk_01m3250v0080k9ctvm1p8bg9pq', 'https://hooks.example/sub_2', 'pending', 1, 1790000000000, 1789999999995, NULL, 429, NULL, NULL, NULL, 'sub_2', 'sub_2', 0);



INSERT INTO public.durations VALUES ('hiapi', '完成 🎬 \N \. 	
''"%s %(a)s 
 ', '', '', 1, 1790000000000, '{}');



INSERT INTO public.endpoints VALUES ('https://hooks.example', NULL, 1790000000000, NULL, 0, NULL, NULL, 0, 0);
INSERT INTO public.endpoints VALUES ('sub_1', 1789999999996, 1790000000000, 1790000010001, 1, 1790000000001, NULL, 0, 1790000000000);
INSERT INTO public.endpoints VALUES ('sub_2', 1789999999996, 1790000000000, 1790000000250, 0, 1790000000001, 4, 0, 1790000000000);



INSERT INTO public.events VALUES (1, 'evt_01m3250v0080k9ctvm1p8bg9pr', 'tsk_01m3250v0080k9ctvm1p8bg9pq', 'task.succeeded', 1789999999995, NULL, '{"type":"task.succeeded","timestamp":"2026-09-21T14:13:19.995Z","data":{"seq":1,"event_id":"evt_01m3250v0080k9ctvm1p8bg9pr","supersedes":null,"task":{"id":"tsk_01m3250v0080k9ctvm1p8bg9pq","provider":"hiapi","task_id":"e1","model":null,"state":"succeeded","raw_state":"succeeded","progress":100,"labels":{},"created_at":"2026-09-21T14:13:19.995Z","submitted_at":"2026-09-21T14:13:19.995Z","final_at":"2026-09-21T14:13:19.995Z","deadline_at":null,"outputs":[{"type":"video","url":"https://cdn.example/v.mp4","expires_at":"2026-09-22T14:13:20.000Z","needs_key":false}],"error":null,"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO public.events VALUES (2, 'evt_01m3250v0080k9ctvm1p8bg9pv', 'tsk_01m3250v0080k9ctvm1p8bg9pt', 'task.succeeded', 1789999999996, NULL, '{"type":"task.succeeded","timestamp":"2026-09-21T14:13:19.996Z","data":{"seq":2,"event_id":"evt_01m3250v0080k9ctvm1p8bg9pv","supersedes":null,"task":{"id":"tsk_01m3250v0080k9ctvm1p8bg9pt","provider":"hiapi","task_id":"e2","model":null,"state":"succeeded","raw_state":"succeeded","progress":100,"labels":{},"created_at":"2026-09-21T14:13:19.996Z","submitted_at":"2026-09-21T14:13:19.996Z","final_at":"2026-09-21T14:13:19.996Z","deadline_at":null,"outputs":[{"type":"video","url":"https://cdn.example/v.mp4","expires_at":"2026-09-22T14:13:20.000Z","needs_key":false}],"error":null,"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO public.events VALUES (3, 'evt_01m3250v0080k9ctvm1p8bg9py', 'tsk_01m3250v0080k9ctvm1p8bg9px', 'task.succeeded', 1789999999997, NULL, '{"type":"task.succeeded","timestamp":"2026-09-21T14:13:19.997Z","data":{"seq":3,"event_id":"evt_01m3250v0080k9ctvm1p8bg9py","supersedes":null,"task":{"id":"tsk_01m3250v0080k9ctvm1p8bg9px","provider":"hiapi","task_id":"e3","model":null,"state":"succeeded","raw_state":"succeeded","progress":100,"labels":{},"created_at":"2026-09-21T14:13:19.997Z","submitted_at":"2026-09-21T14:13:19.997Z","final_at":"2026-09-21T14:13:19.997Z","deadline_at":null,"outputs":[{"type":"video","url":"https://cdn.example/v.mp4","expires_at":"2026-09-22T14:13:20.000Z","needs_key":false}],"error":null,"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO public.events VALUES (4, 'evt_01m3250v0080k9ctvm1p8bg9q1', 'tsk_01m3250v0080k9ctvm1p8bg9q0', 'task.succeeded', 1789999999998, NULL, '{"type":"task.succeeded","timestamp":"2026-09-21T14:13:19.998Z","data":{"seq":4,"event_id":"evt_01m3250v0080k9ctvm1p8bg9q1","supersedes":null,"task":{"id":"tsk_01m3250v0080k9ctvm1p8bg9q0","provider":"hiapi","task_id":"e4","model":null,"state":"succeeded","raw_state":"succeeded","progress":100,"labels":{},"created_at":"2026-09-21T14:13:19.998Z","submitted_at":"2026-09-21T14:13:19.998Z","final_at":"2026-09-21T14:13:19.998Z","deadline_at":null,"outputs":[{"type":"video","url":"https://cdn.example/v.mp4","expires_at":"2026-09-22T14:13:20.000Z","needs_key":false}],"error":null,"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO public.events VALUES (5, 'evt_01m3250v0080k9ctvm1p8bg9q4', 'tsk_01m3250v0080k9ctvm1p8bg9q3', 'task.succeeded', 1789999999999, NULL, '{"type":"task.succeeded","timestamp":"2026-09-21T14:13:19.999Z","data":{"seq":5,"event_id":"evt_01m3250v0080k9ctvm1p8bg9q4","supersedes":null,"task":{"id":"tsk_01m3250v0080k9ctvm1p8bg9q3","provider":"hiapi","task_id":"e5","model":null,"state":"succeeded","raw_state":"succeeded","progress":100,"labels":{},"created_at":"2026-09-21T14:13:19.999Z","submitted_at":"2026-09-21T14:13:19.999Z","final_at":"2026-09-21T14:13:19.999Z","deadline_at":null,"outputs":[{"type":"video","url":"https://cdn.example/v.mp4","expires_at":"2026-09-22T14:13:20.000Z","needs_key":false}],"error":null,"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO public.events VALUES (6, 'evt_01m3250v0080k9ctvm1p8bg9q7', 'tsk_1', 'task.failed', 1790000000000, NULL, '{"type":"task.failed","timestamp":"2026-09-21T14:13:20.000Z","data":{"seq":6,"event_id":"evt_01m3250v0080k9ctvm1p8bg9q7","supersedes":null,"task":{"id":"tsk_1","provider":"hiapi","task_id":"p1","model":"happyhorse-1.1/reference-to-video","state":"failed","raw_state":"failed","progress":null,"labels":{"film":"完成 🎬 \\N \\. \t\r\n''\"%s %(a)s 
 "},"created_at":"2026-09-21T14:13:20.000Z","submitted_at":"2026-09-21T14:13:20.000Z","final_at":"2026-09-21T14:13:20.000Z","deadline_at":null,"outputs":[],"error":{"code":"TASK_FAILED","message":"the picture was refused"},"supersedes":null,"callback_expected":false,"polls":0}}}');



INSERT INTO public.former_subscriptions VALUES ('sub_0', 9, 8, '完成 🎬 \N \. 	
''"%s %(a)s 
 ', '{"types":[],"providers":[],"models":[],"labels":{}}');



INSERT INTO public.lost_events VALUES (2, 1, 1790000000000);



INSERT INTO public.metadata VALUES ('signing_key', 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk');



INSERT INTO public.migrations VALUES ('0001_ledger', 1790000000000);
INSERT INTO public.migrations VALUES ('0002_subscriptions', 1790000000000);
INSERT INTO public.migrations VALUES ('0003_standard_words', 1790000000000);
INSERT INTO public.migrations VALUES ('0004_refusal', 1790000000000);
INSERT INTO public.migrations VALUES ('0005_queue', 1790000000000);
INSERT INTO public.migrations VALUES ('0006_settled', 1790000000000);
INSERT INTO public.migrations VALUES ('0007_repair', 1790000000000);
INSERT INTO public.migrations VALUES ('0008_bounds', 1790000000000);
INSERT INTO public.migrations VALUES ('0009_queue_order', 1790000000000);
INSERT INTO public.migrations VALUES ('0010_submits_alarm', 1790000000000);
INSERT INTO public.migrations VALUES ('0011_indexes', 1790000000000);
INSERT INTO public.migrations VALUES ('0012_fan_out', 1790000000000);
INSERT INTO public.migrations VALUES ('0013_durations', 1790000000000);
INSERT INTO public.migrations VALUES ('0014_numbers', 1790000000000);
INSERT INTO public.migrations VALUES ('0015_operator_runs', 1790000000000);
INSERT INTO public.migrations VALUES ('0016_metrics', 1790000000000);
INSERT INTO public.migrations VALUES ('0017_processes', 1790000000000);



INSERT INTO public.minute_counts VALUES ('whenfinal_polls', 1789999980000, 'hiapi', '完成 🎬 \N \. 	
''"%s %(a)s 
 ', 7);



INSERT INTO public.numbers VALUES ('checks', 0);
INSERT INTO public.numbers VALUES ('durations', 0);
INSERT INTO public.numbers VALUES ('subscriptions', 2);
INSERT INTO public.numbers VALUES ('events', 6);
INSERT INTO public.numbers VALUES ('fanned_out', 6);



INSERT INTO public.observations VALUES ('obs_01m3250v0080k9ctvm1p8bg9ps', 'tsk_01m3250v0080k9ctvm1p8bg9pq', 1789999999995, 'poll', 'succeeded', 'succeeded', 'applied', '{"task_id":"e1","outputs":[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]}', '');
INSERT INTO public.observations VALUES ('obs_01m3250v0080k9ctvm1p8bg9pw', 'tsk_01m3250v0080k9ctvm1p8bg9pt', 1789999999996, 'poll', 'succeeded', 'succeeded', 'applied', '{"task_id":"e2","outputs":[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]}', '');
INSERT INTO public.observations VALUES ('obs_01m3250v0080k9ctvm1p8bg9pz', 'tsk_01m3250v0080k9ctvm1p8bg9px', 1789999999997, 'poll', 'succeeded', 'succeeded', 'applied', '{"task_id":"e3","outputs":[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]}', '');
INSERT INTO public.observations VALUES ('obs_01m3250v0080k9ctvm1p8bg9q2', 'tsk_01m3250v0080k9ctvm1p8bg9q0', 1789999999998, 'poll', 'succeeded', 'succeeded', 'applied', '{"task_id":"e4","outputs":[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]}', '');
INSERT INTO public.observations VALUES ('obs_01m3250v0080k9ctvm1p8bg9q5', 'tsk_01m3250v0080k9ctvm1p8bg9q3', 1789999999999, 'poll', 'succeeded', 'succeeded', 'applied', '{"task_id":"e5","outputs":[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]}', '');
INSERT INTO public.observations VALUES ('obs_01m3250v0080k9ctvm1p8bg9q6', 'tsk_1', 1790000000000, 'submit', 'submitting', '', 'applied', '{"callback_expected":false}', '');
INSERT INTO public.observations VALUES ('obs_01m3250v0080k9ctvm1p8bg9q8', 'tsk_1', 1790000000000, 'poll', 'failed', 'failed', 'applied', '{"task_id":"p1","error":{"code":"TASK_FAILED","message":"the picture was refused"}}', '');
INSERT INTO public.observations VALUES ('obs_01m3250v0080k9ctvm1p8bg9q9', 'tsk_2', 1790000000000, 'submit', 'submitting', '', 'applied', '{"callback_expected":false}', '');
INSERT INTO public.observations VALUES ('obs_01m3250v0080k9ctvm1p8bg9qa', 'tsk_3', 1790000000000, 'submit', 'queued', '', 'applied', '{"queued":"as many tasks are in flight as the account may have"}', '');



INSERT INTO public.operator_runs VALUES ('run_1', 'n', 'cancel-tasks', '完成 🎬 \N \. 	
''"%s %(a)s 
 ', '{"why":"完成 🎬 \\N \\. \t\r\n''\"%s %(a)s 
 "}', NULL, 0, 0, '[]', 'running', NULL, 1790000000000, NULL, NULL, NULL, NULL);



INSERT INTO public.processes VALUES ('node-1', 'serve', '1', '3', '完成 🎬 \N \. 	
''"%s %(a)s 
 ', 1, 1790000000000, 1790000000000, NULL);



INSERT INTO public.queued_requests VALUES ('tsk_3', '完成 🎬 \N \. 	
''"%s %(a)s 
 ');



INSERT INTO public.subscriptions VALUES ('sub_1', 'https://hooks.example/sub_1', '完成 🎬 \N \. 	
''"%s %(a)s 
 ', 'active', '{"types":[],"providers":[],"models":[],"labels":{}}', 'whsec_dGhlIHNlY3JldCBvZiBhbGwgdGhlIHRlc3RzIQ==', NULL, NULL, NULL, NULL, 0, 0, 0.1, 0.30000000000000004, NULL, 1790000000000, 1790000000000, NULL, NULL, 0);
INSERT INTO public.subscriptions VALUES ('sub_2', 'https://hooks.example/sub_2', '', 'active', '{"types":[],"providers":[],"models":[],"labels":{}}', 'whsec_dGhlIHNlY3JldCBvZiBhbGwgdGhlIHRlc3RzIQ==', NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, 2, 1790000000000, 1790000000000, NULL, NULL, 0);



INSERT INTO public.task_labels VALUES ('tsk_1', 'film', '完成 🎬 \N \. 	
''"%s %(a)s 
 ');



INSERT INTO public.tasks VALUES ('tsk_01m3250v0080k9ctvm1p8bg9pq', 'hiapi', 'e1', NULL, 'succeeded', 'succeeded', 100, '{}', '', NULL, '{}', NULL, NULL, NULL, '[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]', NULL, 1, 0, 1789999999995, 1789999999995, 1789999999995, NULL, NULL, 1790086400000, NULL, NULL, 0, 0, 'evt_01m3250v0080k9ctvm1p8bg9pr', NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0, NULL, '', 0, '{}', NULL, NULL);
INSERT INTO public.tasks VALUES ('tsk_01m3250v0080k9ctvm1p8bg9pt', 'hiapi', 'e2', NULL, 'succeeded', 'succeeded', 100, '{}', '', NULL, '{}', NULL, NULL, NULL, '[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]', NULL, 1, 0, 1789999999996, 1789999999996, 1789999999996, NULL, NULL, 1790086400000, NULL, NULL, 0, 0, 'evt_01m3250v0080k9ctvm1p8bg9pv', NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0, NULL, '', 0, '{}', NULL, NULL);
INSERT INTO public.tasks VALUES ('tsk_01m3250v0080k9ctvm1p8bg9px', 'hiapi', 'e3', NULL, 'succeeded', 'succeeded', 100, '{}', '', NULL, '{}', NULL, NULL, NULL, '[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]', NULL, 1, 0, 1789999999997, 1789999999997, 1789999999997, NULL, NULL, 1790086400000, NULL, NULL, 0, 0, 'evt_01m3250v0080k9ctvm1p8bg9py', NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0, NULL, '', 0, '{}', NULL, NULL);
INSERT INTO public.tasks VALUES ('tsk_01m3250v0080k9ctvm1p8bg9q0', 'hiapi', 'e4', NULL, 'succeeded', 'succeeded', 100, '{}', '', NULL, '{}', NULL, NULL, NULL, '[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]', NULL, 1, 0, 1789999999998, 1789999999998, 1789999999998, NULL, NULL, 1790086400000, NULL, NULL, 0, 0, 'evt_01m3250v0080k9ctvm1p8bg9q1', NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0, NULL, '', 0, '{}', NULL, NULL);
INSERT INTO public.tasks VALUES ('tsk_01m3250v0080k9ctvm1p8bg9q3', 'hiapi', 'e5', NULL, 'succeeded', 'succeeded', 100, '{}', '', NULL, '{}', NULL, NULL, NULL, '[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]', NULL, 1, 0, 1789999999999, 1789999999999, 1789999999999, NULL, NULL, 1790086400000, NULL, NULL, 0, 0, 'evt_01m3250v0080k9ctvm1p8bg9q4', NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0, NULL, '', 0, '{}', NULL, NULL);
INSERT INTO public.tasks VALUES ('tsk_1', 'hiapi', 'p1', 'happyhorse-1.1/reference-to-video', 'failed', 'failed', NULL, '{}', 'hash', NULL, '{"film":"完成 🎬 \\N \\. \t\r\n''\"%s %(a)s 
 "}', 'https://hooks.example/a', 'whsec_dGhlIHNlY3JldCBvZiBhbGwgdGhlIHRlc3RzIQ==', NULL, '[]', '{"code":"TASK_FAILED","message":"the picture was refused"}', 0, 0, 1790000000000, 1790000000000, 1790000000000, NULL, NULL, NULL, NULL, NULL, 0, 0, 'evt_01m3250v0080k9ctvm1p8bg9q7', NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0, NULL, '', 0, '{}', NULL, NULL);
INSERT INTO public.tasks VALUES ('tsk_3', 'hiapi', NULL, 'happyhorse-1.1/reference-to-video', 'queued', '', NULL, '{}', 'hash', NULL, '{}', NULL, NULL, NULL, '[]', NULL, 0, 0, 1790000000000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, 1790000060000, NULL, 1, NULL, '', 0, '{}', 1790000000000, NULL);
INSERT INTO public.tasks VALUES ('tsk_2', 'hiapi', NULL, 'happyhorse-1.1/reference-to-video', 'submitting', '', NULL, '{}', 'hash', NULL, '{}', NULL, NULL, NULL, '[]', NULL, 0, 0, 1790000000000, NULL, NULL, NULL, NULL, NULL, 1790000060000, NULL, 0, 0, NULL, NULL, 'gone', 1790000070000, NULL, NULL, 0, NULL, NULL, 0, 'key', '', 0, '{}', NULL, NULL);



ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (provider);



ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.numbers
    ADD CONSTRAINT counters_pkey PRIMARY KEY (name);



ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.durations
    ADD CONSTRAINT durations_pkey PRIMARY KEY (provider, model, resolution, length);



ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_id_key UNIQUE (id);



ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (seq);



ALTER TABLE ONLY public.former_subscriptions
    ADD CONSTRAINT former_subscriptions_pkey PRIMARY KEY (id, until_seq);



ALTER TABLE ONLY public.metadata
    ADD CONSTRAINT kept_pkey PRIMARY KEY (name);



ALTER TABLE ONLY public.endpoints
    ADD CONSTRAINT lanes_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.lost_events
    ADD CONSTRAINT lost_events_pkey PRIMARY KEY (until_seq);



ALTER TABLE ONLY public.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (name);



ALTER TABLE ONLY public.minute_counts
    ADD CONSTRAINT minute_counts_pkey PRIMARY KEY (name, minute_ms, provider, label);



ALTER TABLE ONLY public.observations
    ADD CONSTRAINT observations_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.operator_runs
    ADD CONSTRAINT operator_runs_nonce_key UNIQUE (nonce);



ALTER TABLE ONLY public.operator_runs
    ADD CONSTRAINT operator_runs_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.processes
    ADD CONSTRAINT processes_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.queued_requests
    ADD CONSTRAINT queued_requests_pkey PRIMARY KEY (task);



ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.task_labels
    ADD CONSTRAINT task_labels_pkey PRIMARY KEY (task, name);



ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_idempotency_key_key UNIQUE (idempotency_key);



ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_task_id_provider_key UNIQUE (task_id, provider);



CREATE INDEX attempts_age ON public.attempts USING btree (at_ms, id);



CREATE INDEX attempts_delivery ON public.attempts USING btree (delivery, at_ms);



CREATE INDEX audit_action ON public.audit USING btree (action, id);



CREATE INDEX audit_actor ON public.audit USING btree (actor, id);



CREATE INDEX audit_task ON public.audit USING btree (task, at_ms);



CREATE INDEX deliveries_dead ON public.deliveries USING btree (subscription, id) WHERE (state = 'dead'::text);



CREATE INDEX deliveries_dead_of_notify ON public.deliveries USING btree (endpoint_id, id) WHERE ((state = 'dead'::text) AND (subscription IS NULL));



CREATE INDEX deliveries_endpoint ON public.deliveries USING btree (endpoint_id, is_replay, due_ms) WHERE (due_ms IS NOT NULL);



CREATE INDEX deliveries_failing ON public.deliveries USING btree (subscription, id) WHERE ((state = 'pending'::text) AND (attempts > 0));



CREATE INDEX deliveries_leased ON public.deliveries USING btree (endpoint_id) WHERE (lease_until_ms IS NOT NULL);



CREATE INDEX deliveries_of_subscription ON public.deliveries USING btree (subscription, id) WHERE (subscription IS NOT NULL);



CREATE INDEX deliveries_state ON public.deliveries USING btree (state, id);



CREATE UNIQUE INDEX deliveries_subscription ON public.deliveries USING btree (event_seq, subscription);



CREATE INDEX deliveries_unfinished ON public.deliveries USING btree (event_seq) WHERE (due_ms IS NOT NULL);



CREATE INDEX endpoints_due ON public.endpoints USING btree (next_due_ms) WHERE (next_due_ms IS NOT NULL);



CREATE INDEX events_task ON public.events USING btree (task, seq);



CREATE INDEX observations_age ON public.observations USING btree (at_ms, id);



CREATE INDEX observations_contradictions ON public.observations USING btree (verdict, at_ms, task) WHERE (verdict = 'contradiction'::text);



CREATE INDEX observations_task ON public.observations USING btree (task, at_ms);



CREATE INDEX observations_unknown_words ON public.observations USING btree (state, at_ms, task) WHERE ((state = 'running'::text) AND (detail ~~ '%"unknown_word"%'::text));



CREATE INDEX operator_runs_open ON public.operator_runs USING btree (state, created_ms) WHERE (state = 'running'::text);



CREATE INDEX subscriptions_state ON public.subscriptions USING btree (state, id);



CREATE INDEX task_labels_value ON public.task_labels USING btree (name, value, task);



CREATE INDEX tasks_deadline ON public.tasks USING btree (deadline_ms) WHERE ((deadline_ms IS NOT NULL) AND (overdue_ms IS NULL) AND (final_ms IS NULL));



CREATE INDEX tasks_due ON public.tasks USING btree (provider, next_poll_ms) WHERE (next_poll_ms IS NOT NULL);



CREATE INDEX tasks_leased ON public.tasks USING btree (provider, lease_until_ms) WHERE (lease_until_ms IS NOT NULL);



CREATE INDEX tasks_open ON public.tasks USING btree (provider, state, final_ms, overdue_ms) WHERE ((final_ms IS NULL) AND (overdue_ms IS NULL));



CREATE INDEX tasks_overdue ON public.tasks USING btree (overdue_ms, provider) WHERE ((overdue_ms IS NOT NULL) AND (final_ms IS NULL));



CREATE INDEX tasks_overdue_ids ON public.tasks USING btree (id) WHERE ((overdue_ms IS NOT NULL) AND (final_ms IS NULL));



CREATE INDEX tasks_queue_end ON public.tasks USING btree (state, queued_until_ms) WHERE (state = 'queued'::text);



CREATE INDEX tasks_queued ON public.tasks USING btree (state, provider, priority DESC, queued_ms, id) WHERE (state = 'queued'::text);



CREATE UNIQUE INDEX tasks_request_key ON public.tasks USING btree (request_key, key_scope) WHERE (request_key IS NOT NULL);



CREATE INDEX tasks_state ON public.tasks USING btree (state, id, provider);



