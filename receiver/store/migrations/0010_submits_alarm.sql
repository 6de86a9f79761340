-- Refused submits have an alarm of their own: a good poll says nothing about them. And since when submits are held back.
ALTER TABLE accounts ADD COLUMN submits_alarm TEXT;
ALTER TABLE accounts ADD COLUMN submits_paused_since_ms BIGINT;
