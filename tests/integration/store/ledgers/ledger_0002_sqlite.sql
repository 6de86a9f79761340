-- A ledger as the version with the migrations 0001_ledger and 0002_subscriptions left it, made with that version's
-- own code. Every secret, key and address in it is made up; the API key whose digest is stored is
-- wf_fixture-key-not-a-real-one-0001. For SQLite: run as one script on an empty file.
BEGIN TRANSACTION;
CREATE TABLE accounts (
    provider TEXT PRIMARY KEY,
    tokens DOUBLE PRECISION NOT NULL,
    refilled_ms BIGINT NOT NULL,
    paused_until_ms BIGINT,
    paused_reason TEXT,
    alarm TEXT
);
INSERT INTO "accounts" VALUES('hiapi',9.0,1795176514180,NULL,NULL,NULL);
INSERT INTO "accounts" VALUES('dashscope',8.0,1795176467820,NULL,NULL,NULL);
INSERT INTO "accounts" VALUES('modellix',19.0,1795176343620,1795176769020,'denied','modellix answers 401: this key is not known here');
CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    delivery TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    latency_ms BIGINT NOT NULL,
    status INTEGER,
    error TEXT,
    response TEXT NOT NULL
);
INSERT INTO "attempts" VALUES('att_01m7wdcqp08y4pce4dt931654x','dlv_01m7wd9z8044kwysyb6yq60y32',1795176160900,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wdcqp08y4pce4dt931654y','dlv_01m7wd9z8044kwysyb6yq60y33',1795176160900,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wdcqp08y4pce4dt931654z','dlv_01m7wd9z8044kwysyb6yq60y34',1795176160900,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wdcqp08y4pce4dt9316550','dlv_01m7wd9z8044kwysyb6yq60y35',1795176160900,40,500,'answered 500','it broke');
INSERT INTO "attempts" VALUES('att_01m7wdcqp08y4pce4dt9316551','dlv_01m7wd9z8044kwysyb6yq60y36',1795176160900,40,503,'answered 503','busy');
INSERT INTO "attempts" VALUES('att_01m7wdcqp08y4pce4dt9316552','dlv_01m7wd9z8044kwysyb6yq60y37',1795176160900,40,NULL,'TransportError: connection refused','');
INSERT INTO "attempts" VALUES('att_01m7wdcqp08y4pce4dt9316553','dlv_01m7wd9z8044kwysyb6yq60y38',1795176160900,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wdcqp08y4pce4dt9316554','dlv_01m7wd9z8044kwysyb6yq60y39',1795176160900,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wddwr81sew6zht63x1jpd6','dlv_01m7wd9z8044kwysyb6yq60y35',1795176198860,40,500,'answered 500','it broke');
INSERT INTO "attempts" VALUES('att_01m7wddwr81sew6zht63x1jpd7','dlv_01m7wd9z8044kwysyb6yq60y37',1795176198860,40,410,'answered 410','gone for good');
INSERT INTO "attempts" VALUES('att_01m7wddwr81sew6zht63x1jpd8','dlv_01m7wd9z8044kwysyb6yq60y36',1795176198860,40,503,'answered 503','busy');
INSERT INTO "attempts" VALUES('att_01m7wddwr81sew6zht63x1jpd9','dlv_01m7wddpb87agh8w2g1bqnw36m',1795176198860,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wddwr81sew6zht63x1jpda','dlv_01m7wddpb87agh8w2g1bqnw36n',1795176198860,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wddwr81sew6zht63x1jpdb','dlv_01m7wddpb87agh8w2g1bqnw36p',1795176198860,40,410,'answered 410','gone for good');
INSERT INTO "attempts" VALUES('att_01m7wddwr81sew6zht63x1jpdc','dlv_01m7wddpb87agh8w2g1bqnw36q',1795176198860,40,500,'answered 500','it broke');
INSERT INTO "attempts" VALUES('att_01m7wddwr81sew6zht63x1jpdd','dlv_01m7wddpb87agh8w2g1bqnw36r',1795176198860,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wdqc7g81pr3mvypdj3ba3c','dlv_01m7wddwr81sew6zht63x1jpdg',1795176509620,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wdqc7g81pr3mvypdj3ba3d','dlv_01m7wd9z8044kwysyb6yq60y36',1795176509620,40,503,'answered 503','busy');
INSERT INTO "attempts" VALUES('att_01m7wdqc7g81pr3mvypdj3ba3e','dlv_01m7wdeyb80sy2yj1teaqxjt2n',1795176509620,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wdqc7g81pr3mvypdj3ba3f','dlv_01m7wdfx0gd74dz5ptcvs8j27x',1795176509620,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wdqc7g81pr3mvypdj3ba3g','dlv_01m7wdgvnre70k38mct3ppephp',1795176509620,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wdqc7g81pr3mvypdj3ba3h','dlv_01m7wdgvnre70k38mct3ppephq',1795176509620,40,NULL,'ReplyTimeout: nothing came within 15 s','');
INSERT INTO "attempts" VALUES('att_01m7wdqc7g81pr3mvypdj3ba3j','dlv_01m7wdhrz84rrk8dfp8s0e4q0a',1795176509620,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wdqc7g81pr3mvypdj3ba3k','dlv_01m7wdhrz84rrk8dfp8s0e4q0b',1795176509620,40,NULL,'ReplyTimeout: nothing came within 15 s','');
INSERT INTO "attempts" VALUES('att_01m7wdqc7g81pr3mvypdj3ba3m','dlv_01m7wdhrz84rrk8dfp8s0e4q0c',1795176509620,40,503,'answered 503','busy');
INSERT INTO "attempts" VALUES('att_01m7wdqc7g81pr3mvypdj3ba3n','dlv_01m7wdp2c47dttqdb9zb5wfa39',1795176509620,40,200,NULL,'thanks');
INSERT INTO "attempts" VALUES('att_01m7wdqc7g81pr3mvypdj3ba3p','dlv_01m7wdp2c47dttqdb9zb5wfa3a',1795176509620,40,200,NULL,'thanks');
CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    task TEXT,
    detail TEXT NOT NULL
);
INSERT INTO "audit" VALUES('aud_01m7wd7vf8fyk57a0vd1rbkhp7',1795176001000,'key ops','subscription created',NULL,'{"subscription":"sub_01m7wd7vf85y49qv3wfb3zadw1"}');
INSERT INTO "audit" VALUES('aud_01m7wd7wegbq039gm6z73k5f8q',1795176002000,'key ops','subscription created',NULL,'{"subscription":"sub_01m7wd7wegcgpdm7vfcg7zhew4"}');
INSERT INTO "audit" VALUES('aud_01m7wd7xdreatmyz46zb68z3n6',1795176003000,'key ops','subscription created',NULL,'{"subscription":"sub_01m7wd7xdr3a79ynfa6fmvtrz1"}');
INSERT INTO "audit" VALUES('aud_01m7wd7yd02vj5ztwtfape0tr6',1795176004000,'key ops','subscription created',NULL,'{"subscription":"sub_01m7wd7yd00jxs1y7zbbqczv5s"}');
INSERT INTO "audit" VALUES('aud_01m7wd7zc8c1dzgv50stwn2nk0',1795176005000,'key ops','subscription created',NULL,'{"subscription":"sub_01m7wd7zc8anafxvtdjd1mwyvk"}');
INSERT INTO "audit" VALUES('aud_01m7wd80bgc8vnfvbyz41ny3w5',1795176006000,'key ops','subscription created',NULL,'{"subscription":"sub_01m7wd80bgdec599zj8876xg2h"}');
INSERT INTO "audit" VALUES('aud_01m7wd81ar2179xxbw196nswek',1795176007000,'key ops','subscription created',NULL,'{"subscription":"sub_01m7wd81arfmkvm0vfwy6cyxh4"}');
INSERT INTO "audit" VALUES('aud_01m7wd82a0csj0v2qsx1n1xt53',1795176008000,'key ops','subscription created',NULL,'{"subscription":"sub_01m7wd82a01tfyfj3z7jh9dvpf"}');
INSERT INTO "audit" VALUES('aud_01m7wd83984wpb7dwkgfgxa3by',1795176009000,'key ops','secret rotated',NULL,'{"subscription":"sub_01m7wd7wegcgpdm7vfcg7zhew4"}');
INSERT INTO "audit" VALUES('aud_01m7wddwr81sew6zht63x1jpde',1795176198920,'service','subscription disabled',NULL,'{"subscription":"sub_01m7wd7zc8anafxvtdjd1mwyvk","reason":"answered 410 Gone"}');
INSERT INTO "audit" VALUES('aud_01m7wddxqgezsh1fqys4zrjwmf',1795176199920,'command line','subscription disabled',NULL,'{"subscription":"sub_01m7wd80bgdec599zj8876xg2h","fields":["enabled"]}');
INSERT INTO "audit" VALUES('aud_01m7wddyprebdd73s2gvpw9fyp',1795176200920,'key ops','subscription deleted',NULL,'{"subscription":"sub_01m7wd82a01tfyfj3z7jh9dvpf"}');
INSERT INTO "audit" VALUES('aud_01m7wde11r8v1xba347hv7wyfz',1795176203320,'command line','cancel',NULL,'{"answer":"accepted"}');
INSERT INTO "audit" VALUES('aud_01m7wdj348dzfqs17fy6er6p40',1795176336520,'key ops','settle','tsk_01m7wdhy4w6gstwk9hsej9xh0z','{"task_id":"fixture-ds-0003"}');
INSERT INTO "audit" VALUES('aud_01m7wdj92wfxgwpwb6ssq55db3',1795176342620,'command line','settle','tsk_01m7wdj43ge3x63jd52r0bvedz','{"refused":true}');
INSERT INTO "audit" VALUES('aud_01m7wdp4m049xnvv5h54d5erxh',1795176469120,'key ops','reconcile','tsk_01m7wdka340rfadezxq9ck1q6n','{"finding":"not found","before":"submitted","after":"submitted"}');
INSERT INTO "audit" VALUES('aud_01m7wdqdpc7pz0yf0g6dabxfdn',1795176511180,'key ops','redeliver','tsk_01m7wdja2464s70xcynm2885ph','{"delivery":"dlv_01m7wdp2c47dttqdb9zb5wfa39"}');
INSERT INTO "audit" VALUES('aud_01m7wdqenmftm1wqt0bv76rrkt',1795176512180,'command line','subscription replayed',NULL,'{"subscription":"sub_01m7wd7vf85y49qv3wfb3zadw1","first_seq":3,"last_seq":4,"which":"all"}');
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO "counters" VALUES('events',9);
INSERT INTO "counters" VALUES('checks',0);
INSERT INTO "counters" VALUES('subscriptions',12);
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
, subscription TEXT, lane TEXT NOT NULL DEFAULT '', replayed INTEGER NOT NULL DEFAULT 0);
INSERT INTO "deliveries" VALUES('dlv_01m7wd9z8044kwysyb6yq60y32',1,'evt_01m7wd9z8044kwysyb6yq60y30','task.succeeded','tsk_01m7wd848g51jcvaeapz0y7wmy','https://pipeline.example/done?job=1','delivered',1,NULL,1795176070400,1795176160960,200,NULL,NULL,NULL,NULL,'https://pipeline.example',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wd9z8044kwysyb6yq60y33',1,'evt_01m7wd9z8044kwysyb6yq60y30','task.succeeded','tsk_01m7wd848g51jcvaeapz0y7wmy','https://hooks.example/all','delivered',1,NULL,1795176070400,1795176160960,200,NULL,NULL,NULL,'sub_01m7wd7vf85y49qv3wfb3zadw1','sub_01m7wd7vf85y49qv3wfb3zadw1',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wd9z8044kwysyb6yq60y34',1,'evt_01m7wd9z8044kwysyb6yq60y30','task.succeeded','tsk_01m7wd848g51jcvaeapz0y7wmy','https://hooks.example/rich','delivered',1,NULL,1795176070400,1795176160960,200,NULL,NULL,NULL,'sub_01m7wd7wegcgpdm7vfcg7zhew4','sub_01m7wd7wegcgpdm7vfcg7zhew4',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wd9z8044kwysyb6yq60y35',1,'evt_01m7wd9z8044kwysyb6yq60y30','task.succeeded','tsk_01m7wd848g51jcvaeapz0y7wmy','https://hooks.example/down','dead',2,NULL,1795176070400,1795176198920,500,'answered 500',NULL,NULL,'sub_01m7wd7xdr3a79ynfa6fmvtrz1','sub_01m7wd7xdr3a79ynfa6fmvtrz1',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wd9z8044kwysyb6yq60y36',1,'evt_01m7wd9z8044kwysyb6yq60y30','task.succeeded','tsk_01m7wd848g51jcvaeapz0y7wmy','https://hooks.example/slow','pending',3,1795176539620,1795176070400,NULL,503,'answered 503',NULL,NULL,'sub_01m7wd7yd00jxs1y7zbbqczv5s','sub_01m7wd7yd00jxs1y7zbbqczv5s',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wd9z8044kwysyb6yq60y37',1,'evt_01m7wd9z8044kwysyb6yq60y30','task.succeeded','tsk_01m7wd848g51jcvaeapz0y7wmy','https://hooks.example/gone','dead',2,NULL,1795176070400,1795176198920,410,'answered 410',NULL,NULL,'sub_01m7wd7zc8anafxvtdjd1mwyvk','sub_01m7wd7zc8anafxvtdjd1mwyvk',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wd9z8044kwysyb6yq60y38',1,'evt_01m7wd9z8044kwysyb6yq60y30','task.succeeded','tsk_01m7wd848g51jcvaeapz0y7wmy','https://hooks.example/held','delivered',1,NULL,1795176070400,1795176160960,200,NULL,NULL,NULL,'sub_01m7wd80bgdec599zj8876xg2h','sub_01m7wd80bgdec599zj8876xg2h',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wd9z8044kwysyb6yq60y39',1,'evt_01m7wd9z8044kwysyb6yq60y30','task.succeeded','tsk_01m7wd848g51jcvaeapz0y7wmy','https://hooks.example/deleted','delivered',1,NULL,1795176070400,1795176160960,200,NULL,NULL,NULL,'sub_01m7wd82a01tfyfj3z7jh9dvpf','sub_01m7wd82a01tfyfj3z7jh9dvpf',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wddpb87agh8w2g1bqnw36m',2,'evt_01m7wddpb87agh8w2g1bqnw36j','task.failed','tsk_01m7wdcrn8atn01davm0hbgsms','https://hooks.example/all','delivered',1,NULL,1795176192360,1795176198920,200,NULL,NULL,NULL,'sub_01m7wd7vf85y49qv3wfb3zadw1','sub_01m7wd7vf85y49qv3wfb3zadw1',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wddpb87agh8w2g1bqnw36n',2,'evt_01m7wddpb87agh8w2g1bqnw36j','task.failed','tsk_01m7wdcrn8atn01davm0hbgsms','https://hooks.example/rich','delivered',1,NULL,1795176192360,1795176198920,200,NULL,NULL,NULL,'sub_01m7wd7wegcgpdm7vfcg7zhew4','sub_01m7wd7wegcgpdm7vfcg7zhew4',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wddpb87agh8w2g1bqnw36p',2,'evt_01m7wddpb87agh8w2g1bqnw36j','task.failed','tsk_01m7wdcrn8atn01davm0hbgsms','https://hooks.example/gone','dead',1,NULL,1795176192360,1795176198920,410,'answered 410',NULL,NULL,'sub_01m7wd7zc8anafxvtdjd1mwyvk','sub_01m7wd7zc8anafxvtdjd1mwyvk',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wddpb87agh8w2g1bqnw36q',2,'evt_01m7wddpb87agh8w2g1bqnw36j','task.failed','tsk_01m7wdcrn8atn01davm0hbgsms','https://hooks.example/held','pending',1,1795176798860,1795176192360,NULL,500,'answered 500',NULL,NULL,'sub_01m7wd80bgdec599zj8876xg2h','sub_01m7wd80bgdec599zj8876xg2h',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wddpb87agh8w2g1bqnw36r',2,'evt_01m7wddpb87agh8w2g1bqnw36j','task.failed','tsk_01m7wdcrn8atn01davm0hbgsms','https://hooks.example/deleted','delivered',1,NULL,1795176192360,1795176198920,200,NULL,NULL,NULL,'sub_01m7wd82a01tfyfj3z7jh9dvpf','sub_01m7wd82a01tfyfj3z7jh9dvpf',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wddwr81sew6zht63x1jpdg',3,'evt_01m7wddwr81sew6zht63x1jpdf','subscription.disabled','','https://hooks.example/ops','delivered',1,NULL,1795176198920,1795176509680,200,NULL,NULL,NULL,'sub_01m7wd81arfmkvm0vfwy6cyxh4','sub_01m7wd81arfmkvm0vfwy6cyxh4',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wdeyb80sy2yj1teaqxjt2n',4,'evt_01m7wdeyb80sy2yj1teaqxjt2k','task.canceled','tsk_01m7wddzp0dfga4czk43074kar','https://hooks.example/all','pending',0,1795176512180,1795176233320,NULL,200,NULL,NULL,NULL,'sub_01m7wd7vf85y49qv3wfb3zadw1','sub_01m7wd7vf85y49qv3wfb3zadw1',1);
INSERT INTO "deliveries" VALUES('dlv_01m7wdfx0gd74dz5ptcvs8j27x',5,'evt_01m7wdfx0gd74dz5ptcvs8j27v','task.expired','tsk_01m7wdezag6dnrxe6tv5ksjadv','https://hooks.example/all','delivered',1,NULL,1795176264720,1795176509680,200,NULL,NULL,NULL,'sub_01m7wd7vf85y49qv3wfb3zadw1','sub_01m7wd7vf85y49qv3wfb3zadw1',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wdgvnre70k38mct3ppephp',6,'evt_01m7wdgvnre70k38mct3ppephm','task.expired','tsk_01m7wdfxzrc4gh5a2f0et8x2zz','https://hooks.example/all','delivered',1,NULL,1795176296120,1795176509680,200,NULL,NULL,NULL,'sub_01m7wd7vf85y49qv3wfb3zadw1','sub_01m7wd7vf85y49qv3wfb3zadw1',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wdgvnre70k38mct3ppephq',6,'evt_01m7wdgvnre70k38mct3ppephm','task.expired','tsk_01m7wdfxzrc4gh5a2f0et8x2zz','https://hooks.example/down','pending',1,1795177109620,1795176296120,NULL,NULL,'ReplyTimeout: nothing came within 15 s',NULL,NULL,'sub_01m7wd7xdr3a79ynfa6fmvtrz1','sub_01m7wd7xdr3a79ynfa6fmvtrz1',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wdhrz84rrk8dfp8s0e4q0a',7,'evt_01m7wdhrz84rrk8dfp8s0e4q08','task.succeeded','tsk_01m7wdfxzrc4gh5a2f0et8x2zz','https://hooks.example/all','delivered',1,NULL,1795176326120,1795176509680,200,NULL,NULL,NULL,'sub_01m7wd7vf85y49qv3wfb3zadw1','sub_01m7wd7vf85y49qv3wfb3zadw1',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wdhrz84rrk8dfp8s0e4q0b',7,'evt_01m7wdhrz84rrk8dfp8s0e4q08','task.succeeded','tsk_01m7wdfxzrc4gh5a2f0et8x2zz','https://hooks.example/down','pending',1,1795177109620,1795176326120,NULL,NULL,'ReplyTimeout: nothing came within 15 s',NULL,NULL,'sub_01m7wd7xdr3a79ynfa6fmvtrz1','sub_01m7wd7xdr3a79ynfa6fmvtrz1',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wdhrz84rrk8dfp8s0e4q0c',7,'evt_01m7wdhrz84rrk8dfp8s0e4q08','task.succeeded','tsk_01m7wdfxzrc4gh5a2f0et8x2zz','https://hooks.example/slow','pending',1,1795176539620,1795176326120,NULL,503,'answered 503',NULL,NULL,'sub_01m7wd7yd00jxs1y7zbbqczv5s','sub_01m7wd7yd00jxs1y7zbbqczv5s',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wdp2c47dttqdb9zb5wfa39',8,'evt_01m7wdp2c47dttqdb9zb5wfa38','task.overdue','tsk_01m7wdja2464s70xcynm2885ph','https://hooks.example/all','pending',0,1795176511180,1795176466820,NULL,200,NULL,'fixture-host-2/7',1795176573180,'sub_01m7wd7vf85y49qv3wfb3zadw1','sub_01m7wd7vf85y49qv3wfb3zadw1',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wdp2c47dttqdb9zb5wfa3a',8,'evt_01m7wdp2c47dttqdb9zb5wfa38','task.overdue','tsk_01m7wdja2464s70xcynm2885ph','https://hooks.example/ops','delivered',1,NULL,1795176466820,1795176509680,200,NULL,NULL,NULL,'sub_01m7wd81arfmkvm0vfwy6cyxh4','sub_01m7wd81arfmkvm0vfwy6cyxh4',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wdrea40d0jrnay2134vd0h',9,'evt_01m7wdrea40d0jrnay2134vd0f','task.succeeded','tsk_01m7wdqgm41n9rqx0gy3jknw98','https://pipeline.example/done?job=2','pending',0,1795176544580,1795176544580,NULL,NULL,NULL,NULL,NULL,NULL,'https://pipeline.example',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wdrea40d0jrnay2134vd0j',9,'evt_01m7wdrea40d0jrnay2134vd0f','task.succeeded','tsk_01m7wdqgm41n9rqx0gy3jknw98','https://hooks.example/all','pending',0,1795176544580,1795176544580,NULL,NULL,NULL,NULL,NULL,'sub_01m7wd7vf85y49qv3wfb3zadw1','sub_01m7wd7vf85y49qv3wfb3zadw1',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wdrea40d0jrnay2134vd0k',9,'evt_01m7wdrea40d0jrnay2134vd0f','task.succeeded','tsk_01m7wdqgm41n9rqx0gy3jknw98','https://hooks.example/down','pending',0,1795176544580,1795176544580,NULL,NULL,NULL,NULL,NULL,'sub_01m7wd7xdr3a79ynfa6fmvtrz1','sub_01m7wd7xdr3a79ynfa6fmvtrz1',0);
INSERT INTO "deliveries" VALUES('dlv_01m7wdrea40d0jrnay2134vd0m',9,'evt_01m7wdrea40d0jrnay2134vd0f','task.succeeded','tsk_01m7wdqgm41n9rqx0gy3jknw98','https://hooks.example/slow','pending',0,1795176544580,1795176544580,NULL,NULL,NULL,NULL,NULL,'sub_01m7wd7yd00jxs1y7zbbqczv5s','sub_01m7wd7yd00jxs1y7zbbqczv5s',0);
CREATE TABLE events (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    task TEXT NOT NULL,
    type TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    supersedes TEXT,
    body TEXT NOT NULL
);
INSERT INTO "events" VALUES(1,'evt_01m7wd9z8044kwysyb6yq60y30','tsk_01m7wd848g51jcvaeapz0y7wmy','task.succeeded',1795176070400,NULL,'{"type":"task.succeeded","timestamp":"2026-11-20T12:01:10.400Z","data":{"seq":1,"event_id":"evt_01m7wd9z8044kwysyb6yq60y30","supersedes":null,"task":{"id":"tsk_01m7wd848g51jcvaeapz0y7wmy","provider":"hiapi","task_id":"tk-hiapi-fixture-0001","model":"happyhorse-1.1/text-to-video","state":"succeeded","raw_state":"success","progress":100,"labels":{"team":"film","shot":"7"},"created_at":"2026-11-20T12:00:10.000Z","submitted_at":"2026-11-20T12:00:10.400Z","final_at":"2026-11-20T12:01:10.400Z","deadline_at":"2026-11-20T12:30:10.000Z","outputs":[{"type":"video","url":"https://cdn.example/0001.mp4?sig=fixture","expires_at":"2026-11-27T12:00:00.000Z","needs_key":false},{"type":"image","url":"https://cdn.example/0001.jpg","expires_at":null,"needs_key":false}],"error":null,"supersedes":null,"callback_expected":true,"polls":0}}}');
INSERT INTO "events" VALUES(2,'evt_01m7wddpb87agh8w2g1bqnw36j','tsk_01m7wdcrn8atn01davm0hbgsms','task.failed',1795176192360,NULL,'{"type":"task.failed","timestamp":"2026-11-20T12:03:12.360Z","data":{"seq":2,"event_id":"evt_01m7wddpb87agh8w2g1bqnw36j","supersedes":null,"task":{"id":"tsk_01m7wdcrn8atn01davm0hbgsms","provider":"dashscope","task_id":"fixture-ds-0001","model":"happyhorse-1.0-t2v","state":"failed","raw_state":"FAILED","progress":null,"labels":{"team":"film","shot":"7"},"created_at":"2026-11-20T12:02:41.960Z","submitted_at":"2026-11-20T12:02:42.360Z","final_at":"2026-11-20T12:03:12.360Z","deadline_at":"2026-11-20T12:32:41.960Z","outputs":[],"error":{"code":"InvalidParameter","message":"the picture can not be read"},"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO "events" VALUES(3,'evt_01m7wddwr81sew6zht63x1jpdf','','subscription.disabled',1795176198920,NULL,'{"type":"subscription.disabled","timestamp":"2026-11-20T12:03:18.920Z","data":{"seq":3,"event_id":"evt_01m7wddwr81sew6zht63x1jpdf","supersedes":null,"task":null,"subscription":{"id":"sub_01m7wd7zc8anafxvtdjd1mwyvk","url":"https://hooks.example/gone","reason":"answered 410 Gone","disabled_at":"2026-11-20T12:03:18.920Z"}}}');
INSERT INTO "events" VALUES(4,'evt_01m7wdeyb80sy2yj1teaqxjt2k','tsk_01m7wddzp0dfga4czk43074kar','task.canceled',1795176233320,NULL,'{"type":"task.canceled","timestamp":"2026-11-20T12:03:53.320Z","data":{"seq":4,"event_id":"evt_01m7wdeyb80sy2yj1teaqxjt2k","supersedes":null,"task":{"id":"tsk_01m7wddzp0dfga4czk43074kar","provider":"dashscope","task_id":"fixture-ds-0002","model":"happyhorse-1.0-t2v","state":"canceled","raw_state":"CANCELED","progress":null,"labels":{"team":"sound"},"created_at":"2026-11-20T12:03:21.920Z","submitted_at":"2026-11-20T12:03:22.320Z","final_at":"2026-11-20T12:03:53.320Z","deadline_at":"2026-11-20T12:33:21.920Z","outputs":[],"error":{"code":"unknown","message":"the provider gave no reason"},"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO "events" VALUES(5,'evt_01m7wdfx0gd74dz5ptcvs8j27v','tsk_01m7wdezag6dnrxe6tv5ksjadv','task.expired',1795176264720,NULL,'{"type":"task.expired","timestamp":"2026-11-20T12:04:24.720Z","data":{"seq":5,"event_id":"evt_01m7wdfx0gd74dz5ptcvs8j27v","supersedes":null,"task":{"id":"tsk_01m7wdezag6dnrxe6tv5ksjadv","provider":"modellix","task_id":"fixture-mx-0001","model":null,"state":"expired","raw_state":"","progress":null,"labels":{},"created_at":"2026-11-20T12:03:54.320Z","submitted_at":"2026-11-20T12:03:54.720Z","final_at":"2026-11-20T12:04:24.720Z","deadline_at":"2026-11-20T12:33:54.320Z","outputs":[],"error":{"code":"expired","message":"the provider no longer knows it"},"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO "events" VALUES(6,'evt_01m7wdgvnre70k38mct3ppephm','tsk_01m7wdfxzrc4gh5a2f0et8x2zz','task.expired',1795176296120,NULL,'{"type":"task.expired","timestamp":"2026-11-20T12:04:56.120Z","data":{"seq":6,"event_id":"evt_01m7wdgvnre70k38mct3ppephm","supersedes":null,"task":{"id":"tsk_01m7wdfxzrc4gh5a2f0et8x2zz","provider":"hiapi","task_id":"tk-hiapi-fixture-0002","model":"happyhorse-1.1/text-to-video","state":"expired","raw_state":"","progress":null,"labels":{},"created_at":"2026-11-20T12:04:25.720Z","submitted_at":"2026-11-20T12:04:26.120Z","final_at":"2026-11-20T12:04:56.120Z","deadline_at":"2026-11-20T12:34:25.720Z","outputs":[],"error":{"code":"expired","message":"the provider no longer knows it"},"supersedes":null,"callback_expected":true,"polls":0}}}');
INSERT INTO "events" VALUES(7,'evt_01m7wdhrz84rrk8dfp8s0e4q08','tsk_01m7wdfxzrc4gh5a2f0et8x2zz','task.succeeded',1795176326120,'evt_01m7wdgvnre70k38mct3ppephm','{"type":"task.succeeded","timestamp":"2026-11-20T12:05:26.120Z","data":{"seq":7,"event_id":"evt_01m7wdhrz84rrk8dfp8s0e4q08","supersedes":"evt_01m7wdgvnre70k38mct3ppephm","task":{"id":"tsk_01m7wdfxzrc4gh5a2f0et8x2zz","provider":"hiapi","task_id":"tk-hiapi-fixture-0002","model":"happyhorse-1.1/text-to-video","state":"succeeded","raw_state":"success","progress":100,"labels":{},"created_at":"2026-11-20T12:04:25.720Z","submitted_at":"2026-11-20T12:04:26.120Z","final_at":"2026-11-20T12:05:26.120Z","deadline_at":"2026-11-20T12:34:25.720Z","outputs":[{"type":"video","url":"https://cdn.example/0002.mp4","expires_at":null,"needs_key":true}],"error":null,"supersedes":"evt_01m7wdgvnre70k38mct3ppephm","callback_expected":true,"polls":0}}}');
INSERT INTO "events" VALUES(8,'evt_01m7wdp2c47dttqdb9zb5wfa38','tsk_01m7wdja2464s70xcynm2885ph','task.overdue',1795176466820,NULL,'{"type":"task.overdue","timestamp":"2026-11-20T12:07:46.820Z","data":{"seq":8,"event_id":"evt_01m7wdp2c47dttqdb9zb5wfa38","supersedes":null,"task":{"id":"tsk_01m7wdja2464s70xcynm2885ph","provider":"modellix","task_id":"fixture-mx-0002","model":null,"state":"submitted","raw_state":"","progress":null,"labels":{},"created_at":"2026-11-20T12:05:43.620Z","submitted_at":"2026-11-20T12:05:44.020Z","final_at":null,"deadline_at":"2026-11-20T12:06:43.620Z","outputs":[],"error":null,"supersedes":null,"callback_expected":false,"polls":0}}}');
INSERT INTO "events" VALUES(9,'evt_01m7wdrea40d0jrnay2134vd0f','tsk_01m7wdqgm41n9rqx0gy3jknw98','task.succeeded',1795176544580,NULL,'{"type":"task.succeeded","timestamp":"2026-11-20T12:09:04.580Z","data":{"seq":9,"event_id":"evt_01m7wdrea40d0jrnay2134vd0f","supersedes":null,"task":{"id":"tsk_01m7wdqgm41n9rqx0gy3jknw98","provider":"hiapi","task_id":"tk-hiapi-fixture-0004","model":"happyhorse-1.1/text-to-video","state":"succeeded","raw_state":"success","progress":100,"labels":{},"created_at":"2026-11-20T12:08:34.180Z","submitted_at":"2026-11-20T12:08:34.580Z","final_at":"2026-11-20T12:09:04.580Z","deadline_at":"2026-11-20T12:38:34.180Z","outputs":[{"type":"video","url":"https://cdn.example/0004.mp4","expires_at":null,"needs_key":false}],"error":null,"supersedes":null,"callback_expected":true,"polls":0}}}');
CREATE TABLE kept (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO "kept" VALUES('signing_key','fixture-signing-key-not-a-real-one-0001');
INSERT INTO "kept" VALUES('api_key_sha256','96a37a3cdce66e80c8856256e64cb7b88af80700e1dbbe2f66b25fd6124de75e');
CREATE TABLE lanes (
    id TEXT PRIMARY KEY,
    next_due_ms BIGINT,
    served_ms BIGINT NOT NULL,
    paused_until_ms BIGINT,
    failures INTEGER NOT NULL,
    failing_since_ms BIGINT,
    slow_per_s DOUBLE PRECISION,
    tokens DOUBLE PRECISION NOT NULL,
    refilled_ms BIGINT NOT NULL
);
INSERT INTO "lanes" VALUES('https://pipeline.example',1795176544580,1795176160900,NULL,0,NULL,NULL,0.0,0);
INSERT INTO "lanes" VALUES('sub_01m7wd7vf85y49qv3wfb3zadw1',1795176512180,1795176513180,NULL,0,NULL,NULL,0.0,0);
INSERT INTO "lanes" VALUES('sub_01m7wd7wegcgpdm7vfcg7zhew4',NULL,1795176198860,NULL,0,NULL,NULL,1.0,1795176198860);
INSERT INTO "lanes" VALUES('sub_01m7wd7xdr3a79ynfa6fmvtrz1',1795176544580,1795176509620,NULL,4,1795176160940,NULL,0.0,0);
INSERT INTO "lanes" VALUES('sub_01m7wd7yd00jxs1y7zbbqczv5s',1795176539620,1795176509620,1795176539680,0,1795176160940,1.0,0.0,1795176509680);
INSERT INTO "lanes" VALUES('sub_01m7wd7zc8anafxvtdjd1mwyvk',NULL,1795176198860,NULL,3,1795176160940,NULL,0.0,0);
INSERT INTO "lanes" VALUES('sub_01m7wd80bgdec599zj8876xg2h',1795176798860,1795176198860,NULL,1,1795176198900,NULL,0.0,0);
INSERT INTO "lanes" VALUES('sub_01m7wd82a01tfyfj3z7jh9dvpf',NULL,1795176198860,NULL,0,NULL,NULL,0.0,0);
INSERT INTO "lanes" VALUES('sub_01m7wd81arfmkvm0vfwy6cyxh4',NULL,1795176509620,NULL,0,NULL,NULL,0.0,0);
CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_ms BIGINT NOT NULL);
INSERT INTO "migrations" VALUES('0001_ledger',1795176000000);
INSERT INTO "migrations" VALUES('0002_subscriptions',1795176000000);
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
INSERT INTO "observations" VALUES('obs_01m7wd848g8t7zfbrjzp6tzgas','tsk_01m7wd848g51jcvaeapz0y7wmy',1795176010000,'submit','submitting','','applied','{"callback_expected":true}','');
INSERT INTO "observations" VALUES('obs_01m7wd84n0ckqwf8hwsxep0bpb','tsk_01m7wd848g51jcvaeapz0y7wmy',1795176010400,'submit','submitted','','applied','{"task_id":"tk-hiapi-fixture-0001","receipt":true,"replayed":false}','');
INSERT INTO "observations" VALUES('obs_01m7wd91yg5089cs5r0nhtkzc2','tsk_01m7wd848g51jcvaeapz0y7wmy',1795176040400,'callback','running','handling','applied','{"task_id":"tk-hiapi-fixture-0001","progress":50}','{"id":"tk-hiapi-fixture-0001","status":"handling"}');
INSERT INTO "observations" VALUES('obs_01m7wd9z8044kwysyb6yq60y31','tsk_01m7wd848g51jcvaeapz0y7wmy',1795176070400,'callback','succeeded','success','applied','{"task_id":"tk-hiapi-fixture-0001","outputs":[{"url":"https://cdn.example/0001.mp4?sig=fixture","type":"video","expires_at_ms":1795780800000,"needs_key":false},{"url":"https://cdn.example/0001.jpg","type":"image","expires_at_ms":null,"needs_key":false}],"completed_at_ms":1795176040400}','{"id":"tk-hiapi-fixture-0001","status":"success"}');
INSERT INTO "observations" VALUES('obs_01m7wdawhger38tadd1dmd3zee','tsk_01m7wd848g51jcvaeapz0y7wmy',1795176100400,'poll','succeeded','success','duplicate','{"task_id":"tk-hiapi-fixture-0001","outputs":[{"url":"https://cdn.example/0001.mp4?sig=fixture","type":"video","expires_at_ms":1795780800000,"needs_key":false},{"url":"https://cdn.example/0001.jpg","type":"image","expires_at_ms":null,"needs_key":false}]}','{"id":"tk-hiapi-fixture-0001","status":"success"}');
INSERT INTO "observations" VALUES('obs_01m7wdbsv013axyq83kkn3g81j','tsk_01m7wd848g51jcvaeapz0y7wmy',1795176130400,'callback','failed','fail','contradiction','{"task_id":"tk-hiapi-fixture-0001","error":{"code":"TASK_FAILED","message":"after all"}}','{"id":"tk-hiapi-fixture-0001","status":"fail"}');
INSERT INTO "observations" VALUES('obs_01m7wdcq4g4j3vses3m5qgybet','tsk_01m7wd848g51jcvaeapz0y7wmy',1795176160400,'poll','running','handling','stale','{"task_id":"tk-hiapi-fixture-0001"}','{"id":"tk-hiapi-fixture-0001","status":"handling"}');
INSERT INTO "observations" VALUES('obs_01m7wdcrn89zs8sk2bep5bgnc6','tsk_01m7wdcrn8atn01davm0hbgsms',1795176161960,'submit','submitting','','applied','{"callback_expected":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdcs1rbr9gqkj669779kfp','tsk_01m7wdcrn8atn01davm0hbgsms',1795176162360,'submit','submitted','','applied','{"task_id":"fixture-ds-0001","receipt":true,"replayed":false}','');
INSERT INTO "observations" VALUES('obs_01m7wddpb87agh8w2g1bqnw36k','tsk_01m7wdcrn8atn01davm0hbgsms',1795176192360,'poll','failed','FAILED','applied','{"task_id":"fixture-ds-0001","error":{"code":"InvalidParameter","message":"the picture can not be read"}}','{"id":"fixture-ds-0001","status":"FAILED"}');
INSERT INTO "observations" VALUES('obs_01m7wddzp04ndw4tsnyd5qayt4','tsk_01m7wddzp0dfga4czk43074kar',1795176201920,'submit','submitting','','applied','{"callback_expected":false}','');
INSERT INTO "observations" VALUES('obs_01m7wde02g42p535w640b4mef6','tsk_01m7wddzp0dfga4czk43074kar',1795176202320,'submit','submitted','','applied','{"task_id":"fixture-ds-0002","receipt":true,"replayed":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdeyb80sy2yj1teaqxjt2m','tsk_01m7wddzp0dfga4czk43074kar',1795176233320,'poll','canceled','CANCELED','applied','{"task_id":"fixture-ds-0002"}','{"id":"fixture-ds-0002","status":"CANCELED"}');
INSERT INTO "observations" VALUES('obs_01m7wdezagc0z06jxk7ezqbvn4','tsk_01m7wdezag6dnrxe6tv5ksjadv',1795176234320,'submit','submitting','','applied','{"callback_expected":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdezq030gx70xgn7r5jx42','tsk_01m7wdezag6dnrxe6tv5ksjadv',1795176234720,'submit','submitted','','applied','{"task_id":"fixture-mx-0001","receipt":true,"replayed":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdfx0gd74dz5ptcvs8j27w','tsk_01m7wdezag6dnrxe6tv5ksjadv',1795176264720,'poll','expired','','applied','{"task_id":"fixture-mx-0001","error":{"code":"expired","message":"the provider no longer knows it"}}','{"id":"fixture-mx-0001","status":""}');
INSERT INTO "observations" VALUES('obs_01m7wdfxzre1nbprxxntqj04fd','tsk_01m7wdfxzrc4gh5a2f0et8x2zz',1795176265720,'submit','submitting','','applied','{"callback_expected":true}','');
INSERT INTO "observations" VALUES('obs_01m7wdfyc80b854gd00cxzprse','tsk_01m7wdfxzrc4gh5a2f0et8x2zz',1795176266120,'submit','submitted','','applied','{"task_id":"tk-hiapi-fixture-0002","receipt":true,"replayed":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdgvnre70k38mct3ppephn','tsk_01m7wdfxzrc4gh5a2f0et8x2zz',1795176296120,'poll','expired','','applied','{"task_id":"tk-hiapi-fixture-0002","error":{"code":"expired","message":"the provider no longer knows it"}}','{"id":"tk-hiapi-fixture-0002","status":""}');
INSERT INTO "observations" VALUES('obs_01m7wdhrz84rrk8dfp8s0e4q09','tsk_01m7wdfxzrc4gh5a2f0et8x2zz',1795176326120,'callback','succeeded','success','applied','{"task_id":"tk-hiapi-fixture-0002","outputs":[{"url":"https://cdn.example/0002.mp4","type":"video","expires_at_ms":null,"needs_key":true}]}','{"id":"tk-hiapi-fixture-0002","status":"success"}');
INSERT INTO "observations" VALUES('obs_01m7wdhsyg98xn5bc028gf8y9m','tsk_01m7wdhsyg4jdfx7kgwhydgzmz',1795176327120,'submit','submitting','','applied','{"callback_expected":true}','');
INSERT INTO "observations" VALUES('obs_01m7wdhtxr3w282pkme09cw6c7','tsk_01m7wdhtxrc51kneer92y3vgv0',1795176328120,'submit','submitting','','applied','{"callback_expected":true}','');
INSERT INTO "observations" VALUES('obs_01m7wdhv0wckh521g7dm46h8z1','tsk_01m7wdhtxrc51kneer92y3vgv0',1795176328220,'submit','uncertain','','applied','{"reason":"ExchangeBroken: the reply was lost"}','');
INSERT INTO "observations" VALUES('obs_01m7wdhw0479y2fjsk484500wn','tsk_01m7wdhw045978ahk6pd7zv88e',1795176329220,'submit','submitting','','applied','{"callback_expected":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdhw38b6h88rqqqfyxnpmw','tsk_01m7wdhw045978ahk6pd7zv88e',1795176329320,'submit','uncertain','','applied','{"reason":"HTTP 502, http_502: the reply holds no readable error"}','');
INSERT INTO "observations" VALUES('obs_01m7wdhx2gebrdmadjc0crv8c0','tsk_01m7wdhx2gfvy6qfb65sq26zea',1795176330320,'submit','submitting','','applied','{"callback_expected":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdhx5m584q6djmp8kxabzn','tsk_01m7wdhx2gfvy6qfb65sq26zea',1795176330420,'submit','refused','','applied','{"refusal":"invalid","error":{"code":"DataInspectionFailed","message":"not allowed"},"status":400}','');
INSERT INTO "observations" VALUES('obs_01m7wdhy4w7r1qt60wwsgrc7n8','tsk_01m7wdhy4w6gstwk9hsej9xh0z',1795176331420,'submit','submitting','','applied','{"callback_expected":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdhy8036838j3g78nrcwjd','tsk_01m7wdhy4w6gstwk9hsej9xh0z',1795176331520,'submit','uncertain','','applied','{"reason":"ReplyTimeout"}','');
INSERT INTO "observations" VALUES('obs_01m7wdj348dzfqs17fy6er6p41','tsk_01m7wdhy4w6gstwk9hsej9xh0z',1795176336520,'operator','submitted','','applied','{"task_id":"fixture-ds-0003"}','');
INSERT INTO "observations" VALUES('obs_01m7wdj43gdcd0ahgm67grt6fx','tsk_01m7wdj43ge3x63jd52r0bvedz',1795176337520,'submit','submitting','','applied','{"callback_expected":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdj46m3apxt1680ck68tq9','tsk_01m7wdj43ge3x63jd52r0bvedz',1795176337620,'submit','uncertain','','applied','{"reason":"ReplyTimeout"}','');
INSERT INTO "observations" VALUES('obs_01m7wdj92wfxgwpwb6ssq55db4','tsk_01m7wdj43ge3x63jd52r0bvedz',1795176342620,'operator','refused','','applied','{"refused":true}','');
INSERT INTO "observations" VALUES('obs_01m7wdja240x0te9kpxhh1hh53','tsk_01m7wdja2464s70xcynm2885ph',1795176343620,'submit','submitting','','applied','{"callback_expected":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdjaem6d7d2k0v2aj2v829','tsk_01m7wdja2464s70xcynm2885ph',1795176344020,'submit','submitted','','applied','{"task_id":"fixture-mx-0002","receipt":true,"replayed":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdjbdweps28t66xha685cc','tsk_01m7wdjbdw7g84tbsctr7zmasa',1795176345020,'submit','submitting','','applied','{"callback_expected":true}','');
INSERT INTO "observations" VALUES('obs_01m7wdjbtcf6qves44rpz89bfw','tsk_01m7wdjbdw7g84tbsctr7zmasa',1795176345420,'submit','submitted','','applied','{"task_id":"tk-hiapi-fixture-0003","receipt":true,"replayed":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdk93w9njfspc1ec2fpmcr','tsk_01m7wdjbdw7g84tbsctr7zmasa',1795176375420,'poll','running','dreaming','applied','{"task_id":"tk-hiapi-fixture-0003","progress":40,"unknown_word":true}','{"id":"tk-hiapi-fixture-0003","status":"dreaming"}');
INSERT INTO "observations" VALUES('obs_01m7wdka34169n052gtdyqydzd','tsk_01m7wdka340rfadezxq9ck1q6n',1795176376420,'submit','submitting','','applied','{"callback_expected":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdkafm0ppgf6j2y79w7hba','tsk_01m7wdka340rfadezxq9ck1q6n',1795176376820,'submit','submitted','','applied','{"task_id":"fixture-ds-0004","receipt":true,"replayed":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdm7s42qq65k0sy54tjnax','tsk_01m7wdm7s42qq65k0sy54tjnaw',1795176406820,'callback','running','handling','applied','{"task_id":"tk-hiapi-fixture-9999"}','{"id":"tk-hiapi-fixture-9999","status":"handling"}');
INSERT INTO "observations" VALUES('obs_01m7wdqgm4f0v8yjch3btx2zr0','tsk_01m7wdqgm41n9rqx0gy3jknw98',1795176514180,'submit','submitting','','applied','{"callback_expected":true}','');
INSERT INTO "observations" VALUES('obs_01m7wdqh0mera7qsatpfmyqmzk','tsk_01m7wdqgm41n9rqx0gy3jknw98',1795176514580,'submit','submitted','','applied','{"task_id":"tk-hiapi-fixture-0004","receipt":true,"replayed":false}','');
INSERT INTO "observations" VALUES('obs_01m7wdrea40d0jrnay2134vd0g','tsk_01m7wdqgm41n9rqx0gy3jknw98',1795176544580,'callback','succeeded','success','applied','{"task_id":"tk-hiapi-fixture-0004","outputs":[{"url":"https://cdn.example/0004.mp4","type":"video","expires_at_ms":null,"needs_key":false}]}','{"id":"tk-hiapi-fixture-0004","status":"success"}');
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
);
INSERT INTO "subscriptions" VALUES('sub_01m7wd7vf85y49qv3wfb3zadw1','https://hooks.example/all','everything about tasks','active','{"types":[],"providers":[],"models":[],"labels":{}}','whsec_Zml4dHVyZSBzZWNyZXQsIG5vdCByZWFsLCAwMS4uLi4=',NULL,NULL,NULL,NULL,0,0,NULL,NULL,NULL,1795176001000,1795176001000,NULL,NULL);
INSERT INTO "subscriptions" VALUES('sub_01m7wd7wegcgpdm7vfcg7zhew4','https://hooks.example/rich','all that can be set','active','{"types":["subscription.disabled","task.failed","task.succeeded"],"providers":["dashscope","hiapi"],"models":["happyhorse-1.0-t2v","happyhorse-1.1/text-to-video"],"labels":{"team":"film"}}','whsec_Zml4dHVyZSBzZWNyZXQsIG5vdCByZWFsLCAxMi4uLi4=','whsec_Zml4dHVyZSBzZWNyZXQsIG5vdCByZWFsLCAwMi4uLi4=','whsk_Zml4dHVyZSBzZWVkLCBub3QgcmVhbCAxMi4uLi4uLi5/Sh/xqEHs73uEcPgcOxwLa2KF7U3ojCiitz6l/y4tiQ==','whsk_Zml4dHVyZSBzZWVkLCBub3QgcmVhbCAwMi4uLi4uLi4bEKHlwxwkqo8QZKxCLN3LQDAmzlqNYeTL9NPl/plqIg==',1795262409000,1,1,5.0,2.0,2,1795176002000,1795176009000,NULL,NULL);
INSERT INTO "subscriptions" VALUES('sub_01m7wd7xdr3a79ynfa6fmvtrz1','https://hooks.example/down','','active','{"types":[],"providers":["hiapi"],"models":[],"labels":{}}','whsec_Zml4dHVyZSBzZWNyZXQsIG5vdCByZWFsLCAwMy4uLi4=',NULL,NULL,NULL,NULL,0,0,NULL,NULL,NULL,1795176003000,1795176003000,NULL,NULL);
INSERT INTO "subscriptions" VALUES('sub_01m7wd7yd00jxs1y7zbbqczv5s','https://hooks.example/slow','','active','{"types":["task.succeeded"],"providers":[],"models":[],"labels":{}}','whsec_Zml4dHVyZSBzZWNyZXQsIG5vdCByZWFsLCAwNC4uLi4=',NULL,NULL,NULL,NULL,0,0,NULL,NULL,NULL,1795176004000,1795176004000,NULL,NULL);
INSERT INTO "subscriptions" VALUES('sub_01m7wd7zc8anafxvtdjd1mwyvk','https://hooks.example/gone','','disabled','{"types":[],"providers":[],"models":[],"labels":{}}','whsec_Zml4dHVyZSBzZWNyZXQsIG5vdCByZWFsLCAwNS4uLi4=',NULL,NULL,NULL,NULL,0,0,NULL,NULL,NULL,1795176005000,1795176198920,1795176198920,'answered 410 Gone');
INSERT INTO "subscriptions" VALUES('sub_01m7wd80bgdec599zj8876xg2h','https://hooks.example/held','','disabled','{"types":[],"providers":[],"models":[],"labels":{}}','whsec_Zml4dHVyZSBzZWNyZXQsIG5vdCByZWFsLCAwNi4uLi4=',NULL,NULL,NULL,NULL,0,0,NULL,NULL,NULL,1795176006000,1795176199920,1795176199920,'by hand');
INSERT INTO "subscriptions" VALUES('sub_01m7wd81arfmkvm0vfwy6cyxh4','https://hooks.example/ops','','active','{"types":["subscription.disabled","task.overdue"],"providers":[],"models":[],"labels":{}}','whsec_Zml4dHVyZSBzZWNyZXQsIG5vdCByZWFsLCAwNy4uLi4=',NULL,NULL,NULL,NULL,0,0,NULL,NULL,NULL,1795176007000,1795176007000,NULL,NULL);
INSERT INTO "subscriptions" VALUES('sub_01m7wd82a01tfyfj3z7jh9dvpf','https://hooks.example/deleted','','deleted','{"types":[],"providers":[],"models":[],"labels":{}}','',NULL,NULL,NULL,NULL,0,0,NULL,NULL,NULL,1795176008000,1795176200920,NULL,NULL);
CREATE TABLE task_labels (
    task TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (task, name)
);
INSERT INTO "task_labels" VALUES('tsk_01m7wd848g51jcvaeapz0y7wmy','team','film');
INSERT INTO "task_labels" VALUES('tsk_01m7wd848g51jcvaeapz0y7wmy','shot','7');
INSERT INTO "task_labels" VALUES('tsk_01m7wdcrn8atn01davm0hbgsms','team','film');
INSERT INTO "task_labels" VALUES('tsk_01m7wdcrn8atn01davm0hbgsms','shot','7');
INSERT INTO "task_labels" VALUES('tsk_01m7wddzp0dfga4czk43074kar','team','sound');
INSERT INTO "task_labels" VALUES('tsk_01m7wdjbdw7g84tbsctr7zmasa','team','film');
INSERT INTO "task_labels" VALUES('tsk_01m7wdjbdw7g84tbsctr7zmasa','shot','7');
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
INSERT INTO "tasks" VALUES('tsk_01m7wd848g51jcvaeapz0y7wmy','hiapi','tk-hiapi-fixture-0001','happyhorse-1.1/text-to-video','succeeded','success',100,'{"provider":"hiapi","video":{"model":"happyhorse-1.1/text-to-video","prompt":"a paper boat","ratio":"16:9","duration":5},"labels":{"team":"film","shot":"7"},"notify":{"url":"https://pipeline.example/done?job=1"}}','410e1abaa25152d16520100b6f7a727dee8b4cc28cc4957fd04f792ed8ee9e85',NULL,'{"team":"film","shot":"7"}','https://pipeline.example/done?job=1','whsec_Zml4dHVyZSBzZWNyZXQsIG5vdCByZWFsLCAyMC4uLi4=','order-1','[{"url":"https://cdn.example/0001.mp4?sig=fixture","type":"video","expires_at_ms":1795780800000,"needs_key":false},{"url":"https://cdn.example/0001.jpg","type":"image","expires_at_ms":null,"needs_key":false}]',NULL,0,1,1795176010000,1795176010400,1795176070400,1795177810000,NULL,1795780800000,NULL,NULL,0,1,'evt_01m7wd9z8044kwysyb6yq60y30',NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wdcrn8atn01davm0hbgsms','dashscope','fixture-ds-0001','happyhorse-1.0-t2v','failed','FAILED',NULL,'{"provider":"dashscope","video":{"model":"happyhorse-1.0-t2v","prompt":"a lantern 灯笼 sways","seed":7},"labels":{"team":"film","shot":"7"}}','38d1194b463f246113df0fb9c95c0338b5aaacb648c0da2486c295019a48b597',NULL,'{"team":"film","shot":"7"}',NULL,NULL,NULL,'[]','{"code":"InvalidParameter","message":"the picture can not be read"}',0,0,1795176161960,1795176162360,1795176192360,1795177961960,NULL,NULL,NULL,NULL,0,1,'evt_01m7wddpb87agh8w2g1bqnw36j',NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wddzp0dfga4czk43074kar','dashscope','fixture-ds-0002','happyhorse-1.0-t2v','canceled','CANCELED',NULL,'{"provider":"dashscope","video":{"model":"happyhorse-1.0-t2v","prompt":"canceled"},"labels":{"team":"sound"}}','755d76364a264b021f28a8502c7825f7b37f4d1967d20e484a8c42a4d0aaa9ae',NULL,'{"team":"sound"}',NULL,NULL,NULL,'[]','{"code":"unknown","message":"the provider gave no reason"}',0,0,1795176201920,1795176202320,1795176233320,1795178001920,NULL,NULL,NULL,NULL,0,1,'evt_01m7wdeyb80sy2yj1teaqxjt2k',NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wdezag6dnrxe6tv5ksjadv','modellix','fixture-mx-0001',NULL,'expired','',NULL,'{"provider":"modellix","raw":{"body":{"prompt":"forgotten"},"path":"/alibaba/wan-2.6/async"}}','39951999efbdbd9aaf81bd8fc9fc9e7ea871e414ec4dad223cdfa381d7bf2360',NULL,'{}',NULL,NULL,NULL,'[]','{"code":"expired","message":"the provider no longer knows it"}',0,0,1795176234320,1795176234720,1795176264720,1795178034320,NULL,NULL,NULL,NULL,0,1,'evt_01m7wdfx0gd74dz5ptcvs8j27v',NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wdfxzrc4gh5a2f0et8x2zz','hiapi','tk-hiapi-fixture-0002','happyhorse-1.1/text-to-video','succeeded','success',100,'{"provider":"hiapi","video":{"model":"happyhorse-1.1/text-to-video","prompt":"forgotten, then told"}}','8fc95216a9d570d3961cb8e6131a152ad1deefa90f6727a43fdbff3c7b40c310',NULL,'{}',NULL,NULL,NULL,'[{"url":"https://cdn.example/0002.mp4","type":"video","expires_at_ms":null,"needs_key":true}]',NULL,0,1,1795176265720,1795176266120,1795176326120,1795178065720,NULL,NULL,NULL,NULL,0,1,'evt_01m7wdhrz84rrk8dfp8s0e4q08','evt_01m7wdgvnre70k38mct3ppephm',NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wdhsyg4jdfx7kgwhydgzmz','hiapi',NULL,'happyhorse-1.1/text-to-video','submitting','',NULL,'{"provider":"hiapi","video":{"model":"happyhorse-1.1/text-to-video","prompt":"its process died"}}','93eb00501ea34e8b25c9129ef46f9f2b34e5727e1b396e001d409969ce4b639c','83052c709d21c4adfe78be8af28df5153351d947434938fd2ed799f35d719ef7
{"model":"happyhorse-1.1/text-to-video","input":{"prompt":"its process died"},"callback":{"url":"https://receiver.example/callbacks/hiapi/fixture-token","when":"final"}}','{}',NULL,NULL,'order-2','[]',NULL,0,1,1795176327120,NULL,NULL,1795178127120,NULL,NULL,1795176419120,NULL,0,0,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wdhtxrc51kneer92y3vgv0','hiapi',NULL,'happyhorse-1.1/text-to-video','uncertain','',NULL,'{"provider":"hiapi","video":{"model":"happyhorse-1.1/text-to-video","prompt":"its reply was lost; may be repeated"}}','665079237b9950395b8ddfae1e1aee6d54b7583eebf4552758c86fdb59b9f09b','772fd28947c3cb6d9655097447ff5e39145c460367627f4eccf43834a1bcdce0
{"model":"happyhorse-1.1/text-to-video","input":{"prompt":"its reply was lost; may be repeated"},"callback":{"url":"https://receiver.example/callbacks/hiapi/fixture-token","when":"final"}}','{}',NULL,NULL,NULL,'[]','{"code":"uncertain","message":"ExchangeBroken: the reply was lost"}',0,1,1795176328120,NULL,NULL,1795178128120,NULL,NULL,1795176348120,NULL,0,1,NULL,NULL,'fixture-host-2',1795176529020);
INSERT INTO "tasks" VALUES('tsk_01m7wdhw045978ahk6pd7zv88e','dashscope',NULL,'happyhorse-1.0-t2v','uncertain','',NULL,'{"provider":"dashscope","video":{"model":"happyhorse-1.0-t2v","prompt":"its reply was lost; a person must settle it"}}','5fd029c8f01c23b328ee56f262e46f6fab0e0a16f08216187f4db06ecd579217',NULL,'{}',NULL,NULL,NULL,'[]','{"code":"uncertain","message":"HTTP 502, http_502: the reply holds no readable error"}',0,0,1795176329220,NULL,NULL,1795178129220,NULL,NULL,NULL,NULL,0,1,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wdhx2gfvy6qfb65sq26zea','dashscope',NULL,'happyhorse-1.0-t2v','refused','',NULL,'{"provider":"dashscope","video":{"model":"happyhorse-1.0-t2v","prompt":"refused"}}','d4342cbfa16c86cd76666b54213367a973757e736b47c36eed28c73c27526b82',NULL,'{}',NULL,NULL,'order-3','[]','{"code":"DataInspectionFailed","message":"not allowed"}',0,0,1795176330320,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,1,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wdhy4w6gstwk9hsej9xh0z','dashscope','fixture-ds-0003','happyhorse-1.0-t2v','submitted','',NULL,'{"provider":"dashscope","video":{"model":"happyhorse-1.0-t2v","prompt":"settled as adopted"}}','9e9ce9208a1132b496264bf506def072165d853e49d528eb6634d2302b331679',NULL,'{}',NULL,NULL,NULL,'[]',NULL,0,0,1795176331420,1795176336520,NULL,1795178131420,NULL,NULL,1795176482820,NULL,1,1,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wdj43ge3x63jd52r0bvedz','dashscope',NULL,'happyhorse-1.0-t2v','refused','',NULL,'{"provider":"dashscope","video":{"model":"happyhorse-1.0-t2v","prompt":"settled as refused"}}','bd2a12049696806983766599e97b81af6e5b79f3ecce512f748c5ae0265420e0',NULL,'{}',NULL,NULL,NULL,'[]','{"code":"settled_refused","message":"settled by command line: nothing was created"}',0,0,1795176337520,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,1,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wdja2464s70xcynm2885ph','modellix','fixture-mx-0002',NULL,'submitted','',NULL,'{"provider":"modellix","raw":{"body":{"prompt":"waits"},"path":"/alibaba/wan-2.6/async"},"deadline_s":60}','4153086882909c2bdf27a1f6697972e6f64af87106ede20678e2d2c2b18ee22a',NULL,'{}',NULL,NULL,NULL,'[]',NULL,0,0,1795176343620,1795176344020,NULL,1795176403620,1795176466820,NULL,1795176404020,NULL,0,1,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wdjbdw7g84tbsctr7zmasa','hiapi','tk-hiapi-fixture-0003','happyhorse-1.1/text-to-video','running','dreaming',40,'{"provider":"hiapi","video":{"model":"happyhorse-1.1/text-to-video","prompt":"runs","resolution":"1080p"},"labels":{"team":"film","shot":"7"},"deadline_s":604800}','a60eae6dba8db1b201f8028a72c60ecbe9653bded88073e488a16fe3c4930651',NULL,'{"team":"film","shot":"7"}',NULL,NULL,NULL,'[]',NULL,0,1,1795176345020,1795176345420,NULL,1795781145020,NULL,NULL,1795176390420,NULL,0,1,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wdka340rfadezxq9ck1q6n','dashscope','fixture-ds-0004','happyhorse-1.0-t2v','submitted','',NULL,'{"provider":"dashscope","video":{"model":"happyhorse-1.0-t2v","prompt":"not found since a while"}}','f8d2eeb57d2fc49e5e8e3d5b7cece7f1f30b2f90d489bf2ad8cc079ce8754528',NULL,'{}',NULL,NULL,NULL,'[]',NULL,0,0,1795176376420,1795176376820,NULL,1795178176420,NULL,NULL,1795176482820,1795176468020,1,1,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wdm7s42qq65k0sy54tjnaw','hiapi','tk-hiapi-fixture-9999','other/model','running','handling',NULL,'{}','',NULL,'{}',NULL,NULL,NULL,'[]',NULL,1,0,1795176406820,1795176406820,NULL,NULL,NULL,NULL,1795176421820,NULL,0,0,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('tsk_01m7wdqgm41n9rqx0gy3jknw98','hiapi','tk-hiapi-fixture-0004','happyhorse-1.1/text-to-video','succeeded','success',100,'{"provider":"hiapi","video":{"model":"happyhorse-1.1/text-to-video","prompt":"ended a moment before the old version stopped"},"notify":{"url":"https://pipeline.example/done?job=2"}}','aabf45e2e64aa2fc725e0b8ce0e4d631c81f0f4c41c5305de363ced6f0bb3c15',NULL,'{}','https://pipeline.example/done?job=2','whsec_Zml4dHVyZSBzZWNyZXQsIG5vdCByZWFsLCAyMS4uLi4=',NULL,'[{"url":"https://cdn.example/0004.mp4","type":"video","expires_at_ms":null,"needs_key":false}]',NULL,0,1,1795176514180,1795176514580,1795176544580,1795178314180,NULL,NULL,NULL,NULL,0,1,'evt_01m7wdrea40d0jrnay2134vd0f',NULL,NULL,NULL);
CREATE INDEX tasks_due ON tasks (provider, next_poll_ms) WHERE next_poll_ms IS NOT NULL;
CREATE INDEX tasks_deadline ON tasks (deadline_ms)
    WHERE deadline_ms IS NOT NULL AND overdue_ms IS NULL AND final_ms IS NULL;
CREATE INDEX tasks_state ON tasks (state, id);
CREATE INDEX tasks_provider ON tasks (provider, state);
CREATE INDEX task_labels_value ON task_labels (name, value, task);
CREATE INDEX observations_task ON observations (task, at_ms);
CREATE INDEX observations_verdict ON observations (verdict);
CREATE INDEX events_task ON events (task, seq);
CREATE INDEX deliveries_state ON deliveries (state, id);
CREATE INDEX deliveries_task ON deliveries (task);
CREATE INDEX attempts_delivery ON attempts (delivery, at_ms);
CREATE INDEX audit_task ON audit (task, at_ms);
CREATE INDEX subscriptions_state ON subscriptions (state, id);
CREATE INDEX lanes_due ON lanes (next_due_ms) WHERE next_due_ms IS NOT NULL;
CREATE INDEX deliveries_lane ON deliveries (lane, replayed, due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX deliveries_leased ON deliveries (lane) WHERE lease_until_ms IS NOT NULL;
CREATE INDEX deliveries_unfinished ON deliveries (event_seq) WHERE due_ms IS NOT NULL;
CREATE INDEX deliveries_event ON deliveries (event_seq);
CREATE UNIQUE INDEX deliveries_subscription ON deliveries (subscription, event_seq);
CREATE INDEX deliveries_of_subscription ON deliveries (subscription, id) WHERE subscription IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (subscription, id) WHERE state = 'dead';
CREATE INDEX deliveries_failing ON deliveries (subscription, id) WHERE state = 'pending' AND attempts > 0;
CREATE INDEX observations_age ON observations (at_ms, id);
CREATE INDEX attempts_age ON attempts (at_ms, id);
COMMIT;
