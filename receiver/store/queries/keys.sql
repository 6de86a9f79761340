-- Keys of the API that are kept in the ledger.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- api_keys_version: another one than before says that a key was created or revoked
SELECT value FROM numbers WHERE name = 'api_keys';

-- bump_api_keys_version: processes read the keys again; and one change at a time, because it locks the number
UPDATE numbers SET value = value + 1 WHERE name = 'api_keys';

-- living_api_keys: those that were not revoked
SELECT * FROM api_keys WHERE revoked_ms IS NULL ORDER BY id;

-- living_api_key: the one of a name that was not revoked
SELECT * FROM api_keys WHERE name = :name AND revoked_ms IS NULL;

-- insert_api_key: a new key; nothing happens when a living one has the name, or one has the id or the digest
INSERT INTO api_keys (id, name, sha256, scopes, providers, label, created_ms, created_by, last_used_ms, revoked_ms)
VALUES (
    :id, :name, :sha256, :scopes, :providers, :label, :created_ms, :created_by, :last_used_ms, :revoked_ms
) ON CONFLICT DO NOTHING;

-- api_key_by_id: also one that was revoked
SELECT * FROM api_keys WHERE id = :id;

-- api_keys_page: newest first, also those that were revoked
SELECT * FROM api_keys WHERE id < :cursor ORDER BY id DESC LIMIT :limit;

-- revoke_api_key: it stops working
UPDATE api_keys SET revoked_ms = :now_ms WHERE id = :id AND revoked_ms IS NULL;

-- forget_revoked_api_keys: those that were revoked before a time; the first one stays, so that no other is made
DELETE FROM api_keys WHERE revoked_ms < :before_ms AND id <> :first;

-- use_api_key: when it was used last, unless another process said so since a time
UPDATE api_keys SET last_used_ms = :used_ms
WHERE id = :id AND (last_used_ms IS NULL OR last_used_ms <= :before_ms) AND revoked_ms IS NULL;
