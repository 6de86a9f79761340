"""Every setting of the service: its type, default, bounds, unit and danger, in one place.

`receiver.runtime.environment` reads the environment and `.env` into a mapping, and `Settings.from_mapping` reads that
into frozen sections (`settings.delivery.timeout_s`). Each service is handed the section that it needs; nothing else
reads the environment.

Guarantees: a text that breaks a rule, an unknown `WHENFINAL_` name and settings that contradict each other stop the
start with one `ConfigError` that names all problems, each with its variable, the rule and a hint. No value is repeated
in a message and no secret shows in a repr. `.env.example` and the reference are rendered from the fields, and a test
fails when they are behind.

The whole folder is pure and has no transactions. To add a setting, add one field in `sections.py`.
"""
