-- A ledger as the version with the migrations up to 0017_processes left it, made with that version's own code and the rows
-- of its tests. Every secret, key and address in it is made up. For SQLite.

BEGIN TRANSACTION;
CREATE TABLE accounts (
    provider TEXT PRIMARY KEY,
    tokens DOUBLE PRECISION NOT NULL,
    refilled_ms BIGINT NOT NULL,
    paused_until_ms BIGINT,
    paused_reason TEXT,
    alarm TEXT
, submits_paused_until_ms BIGINT, submits_paused_reason TEXT, submit_refusals INTEGER NOT NULL DEFAULT 0, learned_in_flight INTEGER, learned_ms BIGINT, paused_since_ms BIGINT, submits_paused_since_ms BIGINT, submits_alarm TEXT);
INSERT INTO "accounts" VALUES('hiapi',99.0,1790000060000,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    delivery TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    latency_ms BIGINT NOT NULL,
    status INTEGER,
    error TEXT,
    response TEXT NOT NULL
);
INSERT INTO "attempts" VALUES('att_01m3250v00csmjewkj6dgka07n','dlv_01m3250v00csmjewkj6dgka07j',1790000000000,1,204,NULL,'');
INSERT INTO "attempts" VALUES('att_01m3250v00csmjewkj6dgka07p','dlv_01m3250v00csmjewkj6dgka078',1790000000000,1,400,NULL,'');
INSERT INTO "attempts" VALUES('att_01m3250v00csmjewkj6dgka07q','dlv_01m3250v00csmjewkj6dgka079',1790000000000,1,429,NULL,'');
CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    task TEXT,
    detail TEXT NOT NULL
);
INSERT INTO "audit" VALUES('aud_01m3250v00csmjewkj6dgka06j',1790000000000,'ann','subscription created',NULL,'{"subscription":"sub_1"}');
INSERT INTO "audit" VALUES('aud_01m3250v00csmjewkj6dgka06k',1790000000000,'ann','subscription created',NULL,'{"subscription":"sub_2"}');
INSERT INTO "audit" VALUES('aud_01m3250v00csmjewkj6dgka07r',1790000000000,'完成 🎬 \N \. 	
''"%s %(a)s   ','cancel-tasks',NULL,'{"run":"run_1","condition":{"why":"完成 🎬 \\N \\. \t\r\n''\"%s %(a)s   "},"expected":null}');
INSERT INTO "audit" VALUES('aud_01m3250v00csmjewkj6dgka07s',1790000000000,'ann','polled',NULL,'{"why":"完成 🎬 \\N \\. \t\r\n''\"%s %(a)s   "}');
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
, subscription TEXT, endpoint_id TEXT NOT NULL DEFAULT '', is_replay INTEGER NOT NULL DEFAULT 0);
INSERT INTO "deliveries" VALUES('dlv_01m3250v00csmjewkj6dgka078',1,'evt_01m3250v00csmjewkj6dgka06n','task.succeeded','tsk_01m3250v00csmjewkj6dgka06m','https://hooks.example/sub_1','dead',1,NULL,1789999999995,1790000000000,400,NULL,NULL,NULL,'sub_1','sub_1',0);
INSERT INTO "deliveries" VALUES('dlv_01m3250v00csmjewkj6dgka079',1,'evt_01m3250v00csmjewkj6dgka06n','task.succeeded','tsk_01m3250v00csmjewkj6dgka06m','https://hooks.example/sub_2','pending',1,1790000000000,1789999999995,NULL,429,NULL,NULL,NULL,'sub_2','sub_2',0);
INSERT INTO "deliveries" VALUES('dlv_01m3250v00csmjewkj6dgka07a',2,'evt_01m3250v00csmjewkj6dgka06r','task.succeeded','tsk_01m3250v00csmjewkj6dgka06q','https://hooks.example/sub_1','pending',0,1789999999996,1789999999996,NULL,NULL,NULL,NULL,NULL,'sub_1','sub_1',0);
INSERT INTO "deliveries" VALUES('dlv_01m3250v00csmjewkj6dgka07b',2,'evt_01m3250v00csmjewkj6dgka06r','task.succeeded','tsk_01m3250v00csmjewkj6dgka06q','https://hooks.example/sub_2','pending',0,1789999999996,1789999999996,NULL,NULL,NULL,NULL,NULL,'sub_2','sub_2',0);
INSERT INTO "deliveries" VALUES('dlv_01m3250v00csmjewkj6dgka07c',3,'evt_01m3250v00csmjewkj6dgka06v','task.succeeded','tsk_01m3250v00csmjewkj6dgka06t','https://hooks.example/sub_1','pending',0,1789999999997,1789999999997,NULL,NULL,NULL,NULL,NULL,'sub_1','sub_1',0);
INSERT INTO "deliveries" VALUES('dlv_01m3250v00csmjewkj6dgka07d',3,'evt_01m3250v00csmjewkj6dgka06v','task.succeeded','tsk_01m3250v00csmjewkj6dgka06t','https://hooks.example/sub_2','pending',0,1789999999997,1789999999997,NULL,NULL,NULL,NULL,NULL,'sub_2','sub_2',0);
INSERT INTO "deliveries" VALUES('dlv_01m3250v00csmjewkj6dgka07e',4,'evt_01m3250v00csmjewkj6dgka06y','task.succeeded','tsk_01m3250v00csmjewkj6dgka06x','https://hooks.example/sub_1','pending',0,1789999999998,1789999999998,NULL,NULL,NULL,NULL,NULL,'sub_1','sub_1',0);
INSERT INTO "deliveries" VALUES('dlv_01m3250v00csmjewkj6dgka07f',4,'evt_01m3250v00csmjewkj6dgka06y','task.succeeded','tsk_01m3250v00csmjewkj6dgka06x','https://hooks.example/sub_2','pending',0,1789999999998,1789999999998,NULL,NULL,NULL,NULL,NULL,'sub_2','sub_2',0);
INSERT INTO "deliveries" VALUES('dlv_01m3250v00csmjewkj6dgka07g',5,'evt_01m3250v00csmjewkj6dgka071','task.succeeded','tsk_01m3250v00csmjewkj6dgka070','https://hooks.example/sub_1','pending',0,1789999999999,1789999999999,NULL,NULL,NULL,NULL,NULL,'sub_1','sub_1',0);
INSERT INTO "deliveries" VALUES('dlv_01m3250v00csmjewkj6dgka07h',5,'evt_01m3250v00csmjewkj6dgka071','task.succeeded','tsk_01m3250v00csmjewkj6dgka070','https://hooks.example/sub_2','pending',0,1789999999999,1789999999999,NULL,NULL,NULL,NULL,NULL,'sub_2','sub_2',0);
INSERT INTO "deliveries" VALUES('dlv_01m3250v00csmjewkj6dgka07j',6,'evt_01m3250v00csmjewkj6dgka074','task.failed','tsk_1','https://hooks.example/a','delivered',1,NULL,1790000000000,1790000000000,204,NULL,NULL,NULL,NULL,'https://hooks.example',0);
INSERT INTO "deliveries" VALUES('dlv_01m3250v00csmjewkj6dgka07k',6,'evt_01m3250v00csmjewkj6dgka074','task.failed','tsk_1','https://hooks.example/sub_1','pending',0,1790000000000,1790000000000,NULL,NULL,NULL,NULL,NULL,'sub_1','sub_1',0);
INSERT INTO "deliveries" VALUES('dlv_01m3250v00csmjewkj6dgka07m',6,'evt_01m3250v00csmjewkj6dgka074','task.failed','tsk_1','https://hooks.example/sub_2','pending',0,1790000000000,1790000000000,NULL,NULL,NULL,NULL,NULL,'sub_2','sub_2',0);
CREATE TABLE durations (
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    resolution TEXT NOT NULL,
    length TEXT NOT NULL,
    count BIGINT NOT NULL,
    learned_ms BIGINT NOT NULL,
    learned TEXT NOT NULL,
    PRIMARY KEY (provider, model, resolution, length)
);
INSERT INTO "durations" VALUES('hiapi','完成 🎬 \N \. 	
''"%s %(a)s   ','','',1,1790000000000,'{}');
CREATE TABLE "endpoints" (
    id TEXT PRIMARY KEY,
    next_due_ms BIGINT,
    last_leased_ms BIGINT NOT NULL,
    paused_until_ms BIGINT,
    failures INTEGER NOT NULL,
    failing_since_ms BIGINT,
    throttled_rate_per_s DOUBLE PRECISION,
    tokens DOUBLE PRECISION NOT NULL,
    refilled_ms BIGINT NOT NULL
);
INSERT INTO "endpoints" VALUES('https://hooks.example',NULL,1790000000000,NULL,0,NULL,NULL,0.0,0);
INSERT INTO "endpoints" VALUES('sub_1',1789999999996,1790000000000,1790000010001,1,1790000000001,NULL,0.0,1790000000000);
INSERT INTO "endpoints" VALUES('sub_2',1789999999996,1790000000000,1790000000250,0,1790000000001,4.0,0.0,1790000000000);
CREATE TABLE events (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    task TEXT NOT NULL,
    type TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    supersedes TEXT,
    body TEXT NOT NULL
);
INSERT INTO "events" VALUES(1,'evt_01m3250v00csmjewkj6dgka06n','tsk_01m3250v00csmjewkj6dgka06m','task.succeeded',1789999999995,NULL,'{"type":"task.succeeded","timestamp":"2026-09-21T14:13:19.995Z","data":{"seq":1,"event_id":"evt_01m3250v00csmjewkj6dgka06n","supersedes":null,"task":{"id":"tsk_01m3250v00csmjewkj6dgka06m","provider":"hiapi","task_id":"e1","model":null,"state":"succeeded","raw_state":"succeeded","progress":100,"labels":{},"created_at":"2026-09-21T14:13:19.995Z","submitted_at":"2026-09-21T14:13:19.995Z","final_at":"2026-09-21T14:13:19.995Z","deadline_at":null,"outputs":[{"type":"video","url":"https://cdn.example/v.mp4","expires_at":"2026-09-22T14:13:20.000Z","needs_key":false}],"error":null,"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO "events" VALUES(2,'evt_01m3250v00csmjewkj6dgka06r','tsk_01m3250v00csmjewkj6dgka06q','task.succeeded',1789999999996,NULL,'{"type":"task.succeeded","timestamp":"2026-09-21T14:13:19.996Z","data":{"seq":2,"event_id":"evt_01m3250v00csmjewkj6dgka06r","supersedes":null,"task":{"id":"tsk_01m3250v00csmjewkj6dgka06q","provider":"hiapi","task_id":"e2","model":null,"state":"succeeded","raw_state":"succeeded","progress":100,"labels":{},"created_at":"2026-09-21T14:13:19.996Z","submitted_at":"2026-09-21T14:13:19.996Z","final_at":"2026-09-21T14:13:19.996Z","deadline_at":null,"outputs":[{"type":"video","url":"https://cdn.example/v.mp4","expires_at":"2026-09-22T14:13:20.000Z","needs_key":false}],"error":null,"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO "events" VALUES(3,'evt_01m3250v00csmjewkj6dgka06v','tsk_01m3250v00csmjewkj6dgka06t','task.succeeded',1789999999997,NULL,'{"type":"task.succeeded","timestamp":"2026-09-21T14:13:19.997Z","data":{"seq":3,"event_id":"evt_01m3250v00csmjewkj6dgka06v","supersedes":null,"task":{"id":"tsk_01m3250v00csmjewkj6dgka06t","provider":"hiapi","task_id":"e3","model":null,"state":"succeeded","raw_state":"succeeded","progress":100,"labels":{},"created_at":"2026-09-21T14:13:19.997Z","submitted_at":"2026-09-21T14:13:19.997Z","final_at":"2026-09-21T14:13:19.997Z","deadline_at":null,"outputs":[{"type":"video","url":"https://cdn.example/v.mp4","expires_at":"2026-09-22T14:13:20.000Z","needs_key":false}],"error":null,"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO "events" VALUES(4,'evt_01m3250v00csmjewkj6dgka06y','tsk_01m3250v00csmjewkj6dgka06x','task.succeeded',1789999999998,NULL,'{"type":"task.succeeded","timestamp":"2026-09-21T14:13:19.998Z","data":{"seq":4,"event_id":"evt_01m3250v00csmjewkj6dgka06y","supersedes":null,"task":{"id":"tsk_01m3250v00csmjewkj6dgka06x","provider":"hiapi","task_id":"e4","model":null,"state":"succeeded","raw_state":"succeeded","progress":100,"labels":{},"created_at":"2026-09-21T14:13:19.998Z","submitted_at":"2026-09-21T14:13:19.998Z","final_at":"2026-09-21T14:13:19.998Z","deadline_at":null,"outputs":[{"type":"video","url":"https://cdn.example/v.mp4","expires_at":"2026-09-22T14:13:20.000Z","needs_key":false}],"error":null,"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO "events" VALUES(5,'evt_01m3250v00csmjewkj6dgka071','tsk_01m3250v00csmjewkj6dgka070','task.succeeded',1789999999999,NULL,'{"type":"task.succeeded","timestamp":"2026-09-21T14:13:19.999Z","data":{"seq":5,"event_id":"evt_01m3250v00csmjewkj6dgka071","supersedes":null,"task":{"id":"tsk_01m3250v00csmjewkj6dgka070","provider":"hiapi","task_id":"e5","model":null,"state":"succeeded","raw_state":"succeeded","progress":100,"labels":{},"created_at":"2026-09-21T14:13:19.999Z","submitted_at":"2026-09-21T14:13:19.999Z","final_at":"2026-09-21T14:13:19.999Z","deadline_at":null,"outputs":[{"type":"video","url":"https://cdn.example/v.mp4","expires_at":"2026-09-22T14:13:20.000Z","needs_key":false}],"error":null,"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO "events" VALUES(6,'evt_01m3250v00csmjewkj6dgka074','tsk_1','task.failed',1790000000000,NULL,'{"type":"task.failed","timestamp":"2026-09-21T14:13:20.000Z","data":{"seq":6,"event_id":"evt_01m3250v00csmjewkj6dgka074","supersedes":null,"task":{"id":"tsk_1","provider":"hiapi","task_id":"p1","model":"happyhorse-1.1/reference-to-video","state":"failed","raw_state":"failed","progress":null,"labels":{"film":"完成 🎬 \\N \\. \t\r\n''\"%s %(a)s   "},"created_at":"2026-09-21T14:13:20.000Z","submitted_at":"2026-09-21T14:13:20.000Z","final_at":"2026-09-21T14:13:20.000Z","deadline_at":null,"outputs":[],"error":{"code":"TASK_FAILED","message":"the picture was refused"},"supersedes":null,"callback_expected":false,"polls":0}}}');
CREATE TABLE former_subscriptions (
    id TEXT NOT NULL,
    until_seq BIGINT NOT NULL,
    after_seq BIGINT NOT NULL,
    url TEXT NOT NULL,
    filter TEXT NOT NULL,
    PRIMARY KEY (id, until_seq)
);
INSERT INTO "former_subscriptions" VALUES('sub_0',9,8,'完成 🎬 \N \. 	
''"%s %(a)s   ','{"types":[],"providers":[],"models":[],"labels":{}}');
CREATE TABLE lost_events (
    until_seq BIGINT PRIMARY KEY,
    after_seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL
);
INSERT INTO "lost_events" VALUES(2,1,1790000000000);
CREATE TABLE "metadata" (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO "metadata" VALUES('signing_key','kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk');
CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_ms BIGINT NOT NULL);
INSERT INTO "migrations" VALUES('0001_ledger',1790000000000);
INSERT INTO "migrations" VALUES('0002_subscriptions',1790000000000);
INSERT INTO "migrations" VALUES('0003_standard_words',1790000000000);
INSERT INTO "migrations" VALUES('0004_refusal',1790000000000);
INSERT INTO "migrations" VALUES('0005_queue',1790000000000);
INSERT INTO "migrations" VALUES('0006_settled',1790000000000);
INSERT INTO "migrations" VALUES('0007_repair',1790000000000);
INSERT INTO "migrations" VALUES('0008_bounds',1790000000000);
INSERT INTO "migrations" VALUES('0009_queue_order',1790000000000);
INSERT INTO "migrations" VALUES('0010_submits_alarm',1790000000000);
INSERT INTO "migrations" VALUES('0011_indexes',1790000000000);
INSERT INTO "migrations" VALUES('0012_fan_out',1790000000000);
INSERT INTO "migrations" VALUES('0013_durations',1790000000000);
INSERT INTO "migrations" VALUES('0014_numbers',1790000000000);
INSERT INTO "migrations" VALUES('0015_operator_runs',1790000000000);
INSERT INTO "migrations" VALUES('0016_metrics',1790000000000);
INSERT INTO "migrations" VALUES('0017_processes',1790000000000);
CREATE TABLE minute_counts (
    name TEXT NOT NULL,
    minute_ms BIGINT NOT NULL,
    provider TEXT NOT NULL,
    label TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (name, minute_ms, provider, label)
);
INSERT INTO "minute_counts" VALUES('whenfinal_polls',1789999980000,'hiapi','完成 🎬 \N \. 	
''"%s %(a)s   ',7);
CREATE TABLE "numbers" (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO "numbers" VALUES('events',6);
INSERT INTO "numbers" VALUES('checks',0);
INSERT INTO "numbers" VALUES('subscriptions',2);
INSERT INTO "numbers" VALUES('fanned_out',6);
INSERT INTO "numbers" VALUES('durations',0);
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
INSERT INTO "observations" VALUES('obs_01m3250v00csmjewkj6dgka06p','tsk_01m3250v00csmjewkj6dgka06m',1789999999995,'poll','succeeded','succeeded','applied','{"task_id":"e1","outputs":[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]}','');
INSERT INTO "observations" VALUES('obs_01m3250v00csmjewkj6dgka06s','tsk_01m3250v00csmjewkj6dgka06q',1789999999996,'poll','succeeded','succeeded','applied','{"task_id":"e2","outputs":[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]}','');
INSERT INTO "observations" VALUES('obs_01m3250v00csmjewkj6dgka06w','tsk_01m3250v00csmjewkj6dgka06t',1789999999997,'poll','succeeded','succeeded','applied','{"task_id":"e3","outputs":[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]}','');
INSERT INTO "observations" VALUES('obs_01m3250v00csmjewkj6dgka06z','tsk_01m3250v00csmjewkj6dgka06x',1789999999998,'poll','succeeded','succeeded','applied','{"task_id":"e4","outputs":[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]}','');
INSERT INTO "observations" VALUES('obs_01m3250v00csmjewkj6dgka072','tsk_01m3250v00csmjewkj6dgka070',1789999999999,'poll','succeeded','succeeded','applied','{"task_id":"e5","outputs":[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]}','');
INSERT INTO "observations" VALUES('obs_01m3250v00csmjewkj6dgka073','tsk_1',1790000000000,'submit','submitting','','applied','{"callback_expected":false}','');
INSERT INTO "observations" VALUES('obs_01m3250v00csmjewkj6dgka075','tsk_1',1790000000000,'poll','failed','failed','applied','{"task_id":"p1","error":{"code":"TASK_FAILED","message":"the picture was refused"}}','');
INSERT INTO "observations" VALUES('obs_01m3250v00csmjewkj6dgka076','tsk_2',1790000000000,'submit','submitting','','applied','{"callback_expected":false}','');
INSERT INTO "observations" VALUES('obs_01m3250v00csmjewkj6dgka077','tsk_3',1790000000000,'submit','queued','','applied','{"queued":"as many tasks are in flight as the account may have"}','');
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
INSERT INTO "operator_runs" VALUES('run_1','n','cancel-tasks','完成 🎬 \N \. 	
''"%s %(a)s   ','{"why":"完成 🎬 \\N \\. \t\r\n''\"%s %(a)s   "}',NULL,0,0,'[]','running',NULL,1790000000000,NULL,NULL,NULL,NULL);
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
INSERT INTO "processes" VALUES('node-1','serve','1','3','完成 🎬 \N \. 	
''"%s %(a)s   ',1,1790000000000,1790000000000,NULL);
CREATE TABLE queued_requests (
    task TEXT PRIMARY KEY,
    request TEXT NOT NULL
);
INSERT INTO "queued_requests" VALUES('tsk_3','完成 🎬 \N \. 	
''"%s %(a)s   ');
CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    state TEXT NOT NULL,
    filter TEXT NOT NULL,
    secret TEXT NOT NULL,
    previous_secret TEXT,
    signing_key TEXT,
    previous_signing_key TEXT,
    previous_until_ms BIGINT,
    cloudevents INTEGER NOT NULL,
    handshake INTEGER NOT NULL,
    rate_per_s DOUBLE PRECISION,
    granted_per_s DOUBLE PRECISION,
    max_in_flight INTEGER,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    disabled_ms BIGINT,
    disabled_reason TEXT
, since_seq BIGINT NOT NULL DEFAULT 0);
INSERT INTO "subscriptions" VALUES('sub_1','https://hooks.example/sub_1','完成 🎬 \N \. 	
''"%s %(a)s   ','active','{"types":[],"providers":[],"models":[],"labels":{}}','whsec_dGhlIHNlY3JldCBvZiBhbGwgdGhlIHRlc3RzIQ==',NULL,NULL,NULL,NULL,0,0,0.1,3.00000000000000044408e-01,NULL,1790000000000,1790000000000,NULL,NULL,0);
INSERT INTO "subscriptions" VALUES('sub_2','https://hooks.example/sub_2','','active','{"types":[],"providers":[],"models":[],"labels":{}}','whsec_dGhlIHNlY3JldCBvZiBhbGwgdGhlIHRlc3RzIQ==',NULL,NULL,NULL,NULL,0,0,NULL,NULL,2,1790000000000,1790000000000,NULL,NULL,0);
CREATE TABLE task_labels (
    task TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (task, name)
);
INSERT INTO "task_labels" VALUES('tsk_1','film','完成 🎬 \N \. 	
''"%s %(a)s   ');
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
    lease_until_ms BIGINT, refusal TEXT, refusal_status INTEGER, priority INTEGER NOT NULL DEFAULT 0, queued_until_ms BIGINT, sent_ms BIGINT, acknowledged INTEGER NOT NULL DEFAULT 0, request_key TEXT, key_scope TEXT NOT NULL DEFAULT '', settled INTEGER NOT NULL DEFAULT 0, reports TEXT NOT NULL DEFAULT '{}', queued_ms BIGINT, seen_open_ms BIGINT,
    UNIQUE (task_id, provider),
    UNIQUE (idempotency_key)
);
INSERT INTO "tasks" VALUES('tsk_01m3250v00csmjewkj6dgka06m','hiapi','e1',NULL,'succeeded','succeeded',100,'{}','',NULL,'{}',NULL,NULL,NULL,'[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]',NULL,1,0,1789999999995,1789999999995,1789999999995,NULL,NULL,1790086400000,NULL,NULL,0,0,'evt_01m3250v00csmjewkj6dgka06n',NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0,NULL,'',0,'{}',NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m3250v00csmjewkj6dgka06q','hiapi','e2',NULL,'succeeded','succeeded',100,'{}','',NULL,'{}',NULL,NULL,NULL,'[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]',NULL,1,0,1789999999996,1789999999996,1789999999996,NULL,NULL,1790086400000,NULL,NULL,0,0,'evt_01m3250v00csmjewkj6dgka06r',NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0,NULL,'',0,'{}',NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m3250v00csmjewkj6dgka06t','hiapi','e3',NULL,'succeeded','succeeded',100,'{}','',NULL,'{}',NULL,NULL,NULL,'[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]',NULL,1,0,1789999999997,1789999999997,1789999999997,NULL,NULL,1790086400000,NULL,NULL,0,0,'evt_01m3250v00csmjewkj6dgka06v',NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0,NULL,'',0,'{}',NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m3250v00csmjewkj6dgka06x','hiapi','e4',NULL,'succeeded','succeeded',100,'{}','',NULL,'{}',NULL,NULL,NULL,'[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]',NULL,1,0,1789999999998,1789999999998,1789999999998,NULL,NULL,1790086400000,NULL,NULL,0,0,'evt_01m3250v00csmjewkj6dgka06y',NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0,NULL,'',0,'{}',NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m3250v00csmjewkj6dgka070','hiapi','e5',NULL,'succeeded','succeeded',100,'{}','',NULL,'{}',NULL,NULL,NULL,'[{"url":"https://cdn.example/v.mp4","type":"video","expires_at_ms":1790086400000,"needs_key":false}]',NULL,1,0,1789999999999,1789999999999,1789999999999,NULL,NULL,1790086400000,NULL,NULL,0,0,'evt_01m3250v00csmjewkj6dgka071',NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0,NULL,'',0,'{}',NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_1','hiapi','p1','happyhorse-1.1/reference-to-video','failed','failed',NULL,'{}','hash',NULL,'{"film":"完成 🎬 \\N \\. \t\r\n''\"%s %(a)s   "}','https://hooks.example/a','whsec_dGhlIHNlY3JldCBvZiBhbGwgdGhlIHRlc3RzIQ==',NULL,'[]','{"code":"TASK_FAILED","message":"the picture was refused"}',0,0,1790000000000,1790000000000,1790000000000,NULL,NULL,NULL,NULL,NULL,0,0,'evt_01m3250v00csmjewkj6dgka074',NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0,NULL,'',0,'{}',NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_2','hiapi',NULL,'happyhorse-1.1/reference-to-video','submitting','',NULL,'{}','hash',NULL,'{}',NULL,NULL,NULL,'[]',NULL,0,0,1790000000000,NULL,NULL,NULL,NULL,NULL,1790000060000,NULL,0,0,NULL,NULL,'gone',1790000070000,NULL,NULL,0,NULL,NULL,0,'key','',0,'{}',NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_3','hiapi',NULL,'happyhorse-1.1/reference-to-video','queued','',NULL,'{}','hash',NULL,'{}',NULL,NULL,NULL,'[]',NULL,0,0,1790000000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,NULL,0,1790000060000,NULL,1,NULL,'',0,'{}',1790000000000,NULL);
CREATE INDEX tasks_due ON tasks (provider, next_poll_ms) WHERE next_poll_ms IS NOT NULL;
CREATE INDEX tasks_deadline ON tasks (deadline_ms)
    WHERE deadline_ms IS NOT NULL AND overdue_ms IS NULL AND final_ms IS NULL;
CREATE INDEX task_labels_value ON task_labels (name, value, task);
CREATE INDEX observations_task ON observations (task, at_ms);
CREATE INDEX events_task ON events (task, seq);
CREATE INDEX deliveries_state ON deliveries (state, id);
CREATE INDEX attempts_delivery ON attempts (delivery, at_ms);
CREATE INDEX audit_task ON audit (task, at_ms);
CREATE INDEX subscriptions_state ON subscriptions (state, id);
CREATE INDEX deliveries_leased ON deliveries (endpoint_id) WHERE lease_until_ms IS NOT NULL;
CREATE INDEX deliveries_unfinished ON deliveries (event_seq) WHERE due_ms IS NOT NULL;
CREATE INDEX deliveries_of_subscription ON deliveries (subscription, id) WHERE subscription IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (subscription, id) WHERE state = 'dead';
CREATE INDEX deliveries_failing ON deliveries (subscription, id) WHERE state = 'pending' AND attempts > 0;
CREATE INDEX observations_age ON observations (at_ms, id);
CREATE INDEX attempts_age ON attempts (at_ms, id);
CREATE INDEX endpoints_due ON endpoints (next_due_ms) WHERE next_due_ms IS NOT NULL;
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, is_replay, due_ms) WHERE due_ms IS NOT NULL;
CREATE UNIQUE INDEX tasks_request_key ON tasks (request_key, key_scope) WHERE request_key IS NOT NULL;
CREATE INDEX deliveries_dead_of_notify ON deliveries (endpoint_id, id) WHERE state = 'dead' AND subscription IS NULL;
CREATE INDEX tasks_queued ON tasks (state, provider, priority DESC, queued_ms, id) WHERE state = 'queued';
CREATE INDEX tasks_queue_end ON tasks (state, queued_until_ms) WHERE state = 'queued';
CREATE INDEX tasks_open ON tasks (provider, state, final_ms, overdue_ms) WHERE final_ms IS NULL AND overdue_ms IS NULL;
CREATE INDEX tasks_leased ON tasks (provider, lease_until_ms) WHERE lease_until_ms IS NOT NULL;
CREATE INDEX tasks_state ON tasks (state, id, provider);
CREATE UNIQUE INDEX deliveries_subscription ON deliveries (event_seq, subscription);
CREATE INDEX operator_runs_open ON operator_runs (state, created_ms) WHERE state = 'running';
CREATE INDEX tasks_overdue_ids ON tasks (id) WHERE overdue_ms IS NOT NULL AND final_ms IS NULL;
CREATE INDEX tasks_overdue ON tasks (overdue_ms, provider) WHERE overdue_ms IS NOT NULL AND final_ms IS NULL;
CREATE INDEX observations_contradictions ON observations (verdict, at_ms, task) WHERE verdict = 'contradiction';
CREATE INDEX observations_unknown_words ON observations (state, at_ms, task)
    WHERE state = 'running' AND detail LIKE '%"unknown_word"%';
CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_action ON audit (action, id);
COMMIT;
