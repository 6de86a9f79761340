"""The log of a process: its configuration, and the processor that removes secrets from every line.

Lines of libraries (uvicorn, asyncio, apscheduler) take the same way as our own, so none bypasses the processor.
"""

import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from receiver.config.sections import LogSettings
from receiver.config.settings import Settings
from receiver.runtime.printable import escape_control, escape_json
from receiver.store.open import ledger_at
from receiver.store.url import LedgerServer
from receiver.tasks.model.redaction import HIDDEN

SHORTEST_SECRET = 6  # shorter texts are not secrets, and hiding them would damage ordinary words

MAX_DEPTH = 6  # levels of nested values that are searched; anything deeper is hidden

#: Parts of a name whose value is never written.
_SECRET_NAME = re.compile(r"secret|token|password|authorization|cookie|signature|api_?key|bearer", re.IGNORECASE)

#: Secrets that have a known form: bearer headers, signing secrets, our own keys, callback tokens in a path.
_SECRET_FORM = re.compile(
    r"(?P<before>\bBearer\s+|/callbacks/[^/\s]+/)[^\s\"'?]+|\bwhsec_[A-Za-z0-9+/=_-]+|\bwf_[A-Za-z0-9_-]{16,}",
    re.IGNORECASE,
)


#: One of them stands in every text that the expression finds, upper and lower case aside.
_SIGNS = ("bearer", "/callbacks/", "whsec_", "wf_")


class RedactSecrets:
    """Hide the given values, texts in the form of a secret, and every value whose name is that of a secret."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first, because one secret may be a part of another.
        self._secrets = sorted({each for each in secrets if len(each) >= SHORTEST_SECRET}, key=len, reverse=True)

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        return {name: self._value(name, value, MAX_DEPTH) for name, value in line.items()}

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        folded = text.casefold()
        if not any(sign in folded for sign in _SIGNS):
            return text  # a search of the expression costs a hundred times as much
        return _SECRET_FORM.sub(lambda found: (found["before"] or "") + HIDDEN, text)

    def _value(self, name: object, value: object, depth: int) -> object:
        """Numbers stay whatever their name is, because `tokens` also counts those of a rate budget."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if depth == 0 or _SECRET_NAME.search(str(name)):
            return HIDDEN
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._value(key, each, depth - 1) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value("", each, depth - 1) for each in value]
        return self.text(str(value))


#: Fields of many lines; of others a line end would make one line of the log look like two.
_TRACEBACKS = frozenset({"exception", "stack"})


def escape_values(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Escape what is not printable, because values hold words of others. Those within a list are quoted later."""
    return {
        name: escape_control(value, keep="\n" if name in _TRACEBACKS else "") if isinstance(value, str) else value
        for name, value in line.items()
    }


def render_json(logger: WrappedLogger, method: str, line: EventDict) -> str:
    """Render one line of JSON. What is not printable is escaped as JSON does it, so the value stays the same."""
    text = structlog.processors.JSONRenderer(ensure_ascii=False)(logger, method, line)
    return escape_json(text if isinstance(text, str) else text.decode())


def configure_logging(settings: LogSettings, *, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Configure structlog and the standard library's root logger; call it once in a process.

    `secrets` are redacted in every line; `stream` None means stderr.
    """
    out: TextIO | None = sys.stderr if stream is None else stream  # None where it is closed
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = _formatter(settings.format, shared, RedactSecrets(secrets), out)
    _route_everything(logging.getLogger(), out, formatter, settings.level)


def _formatter(form: str, shared: list[Processor], redact: RedactSecrets, out: TextIO | None) -> logging.Formatter:
    """Exceptions are formatted before secrets are redacted, because a traceback may quote a value."""
    is_terminal = out is not None and out.isatty()
    last: tuple[Processor, ...] = (render_json,)
    if form != "json":
        console = structlog.dev.ConsoleRenderer(colors=is_terminal, exception_formatter=structlog.dev.plain_traceback)
        last = (escape_values, console)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            *last,
        ],
    )


def _handler(out: TextIO | None) -> logging.Handler:
    if out is None:
        return logging.NullHandler()
    return _StandardError() if out is sys.stderr else logging.StreamHandler(out)


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at the time of a line: a progress bar takes it over, so as not to be cut."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _stream: TextIO) -> None:
        raise AttributeError("it is always standard error")


def _route_everything(root: logging.Logger, out: TextIO | None, formatter: logging.Formatter, level: str) -> None:
    handler = _handler(out)
    handler.setFormatter(formatter)
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True


def start_logging(settings: Settings) -> None:
    """Configure the log so that no secret of the settings reaches it. Call it once, before anything is logged."""
    configure_logging(settings.log, secrets=_secrets_of(settings))


def _secrets_of(settings: Settings) -> Iterator[str]:
    for account in settings.providers.accounts:
        yield from account.secrets
    yield from settings.callbacks.secret_keys
    yield from (key.key for key in settings.api.keys)
    for url in (settings.database.url, settings.database.listen_url):
        place = None if url is None else ledger_at(url)
        if isinstance(place, LedgerServer):
            yield place.password or ""
