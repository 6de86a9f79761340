-- Provider accounts: rate budgets, pauses and alarms.
-- Each statement once, in the dialect that SQLite and Postgres share. A header line is two hyphens, the name, a colon
-- and the purpose. `:name` is a parameter, `:name...` a list of them; {lock} and {skip_locked} are the row-lock
-- clauses of engines that have them.

-- account: a provider's rate budget and pause
SELECT * FROM accounts WHERE provider = :provider {lock};

-- account_unlocked: the same, to look at
SELECT * FROM accounts WHERE provider = :provider;

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

-- update_account: all of an account that was read with its lock
UPDATE accounts SET
    tokens = :tokens, refilled_ms = :refilled_ms, paused_until_ms = :paused_until_ms, paused_reason = :paused_reason,
    alarm = :alarm, submits_paused_until_ms = :submits_paused_until_ms,
    submits_paused_reason = :submits_paused_reason, submit_refusals = :submit_refusals,
    learned_in_flight = :learned_in_flight, learned_ms = :learned_ms,
    submits_paused_since_ms = :submits_paused_since_ms, submits_alarm = :submits_alarm
WHERE provider = :provider;

-- resume_submits: end the hold of submits and their alarm, unless one was refused at or after a time; what was learned and the polls' pause stay
UPDATE accounts SET
    submits_paused_until_ms = NULL, submits_paused_reason = NULL, submits_paused_since_ms = NULL, submit_refusals = 0,
    submits_alarm = NULL
WHERE provider = :provider AND (submits_paused_since_ms IS NULL OR submits_paused_since_ms < :before_ms);

-- pull_back_account: pauses, holds and a learned limit of a clock which was ahead; alarms stay
UPDATE accounts SET
    paused_until_ms = CASE WHEN paused_until_ms > :latest_ms THEN :now_ms ELSE paused_until_ms END,
    submits_paused_until_ms = CASE
        WHEN submits_paused_until_ms > :latest_hold_ms OR submits_paused_since_ms > :ahead_ms THEN :now_ms
        ELSE submits_paused_until_ms
    END,
    submits_paused_since_ms =
        CASE WHEN submits_paused_since_ms > :ahead_ms THEN :now_ms ELSE submits_paused_since_ms END,
    learned_ms = CASE WHEN learned_ms > :ahead_ms THEN :now_ms ELSE learned_ms END
WHERE paused_until_ms > :latest_ms OR submits_paused_until_ms > :latest_hold_ms
   OR submits_paused_since_ms > :ahead_ms OR learned_ms > :ahead_ms;

-- unpause_account: end a pause of polls and their alarm, unless they began at or after a time
UPDATE accounts SET paused_until_ms = NULL, paused_reason = NULL, alarm = NULL, paused_since_ms = NULL
WHERE provider = :provider AND (paused_until_ms IS NOT NULL OR alarm IS NOT NULL)
  AND (paused_since_ms IS NULL OR paused_since_ms < :before_ms);
