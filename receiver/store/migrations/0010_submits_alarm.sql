-- Refused submits have an alarm of their own, because a good poll says nothing about them.
ALTER TABLE accounts ADD COLUMN submits_alarm TEXT;
