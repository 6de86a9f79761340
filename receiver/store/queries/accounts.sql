-- Provider accounts: rate budgets, pauses and alarms.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- account: a provider's rate budget and pause
SELECT * FROM accounts WHERE provider = :provider {lock};

-- all_accounts: every account
SELECT * FROM accounts ORDER BY provider;

-- open_account: an account that is used or paused for the first time
INSERT INTO accounts (provider, tokens, refilled_ms) VALUES (:provider, :tokens, :now_ms) ON CONFLICT DO NOTHING;

-- set_tokens: what is left of a rate budget
UPDATE accounts SET tokens = :tokens, refilled_ms = :refilled_ms WHERE provider = :provider;

-- pause_account: no polls until a time; a longer pause and an alarm stay
UPDATE accounts SET
    paused_until_ms = CASE WHEN paused_until_ms > :until_ms THEN paused_until_ms ELSE :until_ms END,
    paused_reason = :reason, alarm = COALESCE(CAST(:alarm AS TEXT), alarm), paused_since_ms = :now_ms
WHERE provider = :provider;

-- pull_back_pauses: pauses that a clock set which was ahead; an alarm stays
UPDATE accounts SET paused_until_ms = :now_ms WHERE paused_until_ms > :latest_ms;

-- unpause_account: end a pause and its alarm, unless they began at or after a time
UPDATE accounts SET paused_until_ms = NULL, paused_reason = NULL, alarm = NULL, paused_since_ms = NULL
WHERE provider = :provider AND (paused_until_ms IS NOT NULL OR alarm IS NOT NULL)
  AND (paused_since_ms IS NULL OR paused_since_ms < :before_ms);
