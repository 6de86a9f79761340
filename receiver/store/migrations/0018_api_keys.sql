-- Keys of the API beside those of the settings, as digests. `scopes` and `providers` are JSON arrays, `label` is a JSON
-- array of name and value. `revoked_ms` is when it stopped working. The key of the first start has the id of zeros.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    providers TEXT,
    label TEXT,
    created_ms BIGINT,
    created_by TEXT NOT NULL,
    last_used_ms BIGINT,
    revoked_ms BIGINT
);
CREATE UNIQUE INDEX api_keys_living ON api_keys (name) WHERE revoked_ms IS NULL;

-- Each change raises it, so that processes read the keys again.
INSERT INTO numbers (name, value) VALUES ('api_keys', 0);

-- Its row in `metadata` stays, because a process of the version before would make another key without it.
INSERT INTO api_keys (id, name, sha256, scopes, created_by)
SELECT 'key_00000000000000000000000000', 'first', value, '["operate","read","submit"]', 'the first start'
FROM metadata WHERE name = 'api_key_sha256';

-- The key that created it, which may be limited and then sees no other one. NULL: a key of the settings, the command, or
-- before this migration.
ALTER TABLE subscriptions ADD COLUMN key_id TEXT;
