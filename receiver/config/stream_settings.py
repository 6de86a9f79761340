"""The settings of streams, and of how long what they read is stored. Pure."""

from receiver.config.types import Decimal, Group, Section, Whole, setting


class StreamsSettings(Section):
    group = Group.STREAMS

    keepalive_s: Decimal = setting(
        "WHENFINAL_STREAM_KEEPALIVE_S",
        15,
        between=(0.1, 600),
        unit="seconds",
        what="An idle stream sends a comment this often.",
        danger="If it is longer than a proxy's idle timeout, the proxy ends the streams.",
    )
    max_streams: Whole = setting(
        "WHENFINAL_STREAMS_MAX",
        12_000,
        between=(1, 1_000_000),
        unit="requests",
        what="Most streams and waits open at once in one process; the next one gets 503.",
        danger="Each takes a file descriptor and some 30 KB; the process needs as many (`ulimit -n`).",
    )


class RetentionSettings(Section):
    group = Group.RETENTION

    events_days: Decimal = setting(
        "WHENFINAL_KEEP_EVENTS_DAYS",
        30,
        between=(0.01, 3650),
        unit="days",
        what="How long events and their finished deliveries are stored; for as long they can be read and replayed.",
        danger="Older cursors get 410 or a `reset` event. Events with pending deliveries are never deleted.",
    )
    attempts_days: Decimal = setting(
        "WHENFINAL_KEEP_ATTEMPTS_DAYS",
        30,
        between=(0.01, 3650),
        unit="days",
        what="How long the attempts of finished deliveries are stored.",
    )
    observations_days: Decimal = setting(
        "WHENFINAL_KEEP_OBSERVATIONS_DAYS",
        30,
        between=(0.01, 3650),
        unit="days",
        what="How long the timeline of a task that has ended is stored.",
    )
