"""Every setting of the service, in frozen sections. A setting that is not here does not exist.

Pure: the environment comes in as a mapping (see `receiver.config.environment`). A text that breaks a rule and settings
that contradict each other stop the start, all named at once; nothing is guessed, rounded or ignored. No secret reaches
a message or a repr. `.env.example` and the reference are rendered from the fields.
"""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError, model_validator

from receiver.config.accounts import PROVIDERS, read_accounts
from receiver.config.contradictions import (
    check_dashboard_url,
    check_listen_url,
    check_order,
    check_public_url,
    check_speed,
)
from receiver.config.environment import (
    Contradictions,
    find_problems,
    find_unknown_names,
    list_settings,
    nest_values,
)
from receiver.config.errors import ConfigError
from receiver.config.problems import SettingProblem
from receiver.config.quotes import take_quotes_away
from receiver.config.sections import (
    ApiSettings,
    CallbacksSettings,
    DashboardSettings,
    DatabaseSettings,
    DeliverySettings,
    LogSettings,
    MetricsSettings,
    ProvidersSettings,
    ReconcileSettings,
    RetentionSettings,
    ShellSettings,
    StreamsSettings,
    TraceSettings,
)
from receiver.config.types import Decimal, Group, HttpUrl, Section, setting
from submitter.providers.registry import ADAPTERS


class Settings(Section):
    """All settings of a process: what concerns everything, and a section for each part."""

    public_url: HttpUrl | None = setting(
        "WHENFINAL_PUBLIC_URL",
        group=Group.REACH,
        unit="URL",
        what="Where providers reach this service; callbacks go to {this}/callbacks/…. Unset: every task is polled.",
        danger="Whoever answers at this URL sees the callbacks. It must be https, except with simulated providers.",
    )
    lease_s: Decimal = setting(
        "WHENFINAL_LEASE_S",
        60,
        between=(1, 3600),
        group=Group.POLLS,
        unit="seconds",
        what="How long a process leases a task or delivery that it works on; after a crash others wait that long.",
        danger="If it is shorter than the provider and webhook timeouts, two processes do the same work.",
    )
    database: DatabaseSettings = DatabaseSettings()
    providers: ProvidersSettings = ProvidersSettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    callbacks: CallbacksSettings = CallbacksSettings()
    delivery: DeliverySettings = DeliverySettings()
    streams: StreamsSettings = StreamsSettings()
    retention: RetentionSettings = RetentionSettings()
    api: ApiSettings = ApiSettings()
    metrics: MetricsSettings = MetricsSettings()
    trace: TraceSettings = TraceSettings()
    log: LogSettings = LogSettings()
    dashboard: DashboardSettings = DashboardSettings()
    shell: ShellSettings = ShellSettings()

    @property
    def dashboard_url(self) -> str | None:
        """Where people open the dashboard."""
        return self.dashboard.url or self.public_url

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, str]) -> "Settings":
        """Read environment variables; unset and blank are the same. Raise ConfigError that names every problem."""
        read = read_settings(mapping)
        if isinstance(read, Settings):
            return read
        raise config_error(read)

    @model_validator(mode="after")
    def _check_contradictions(self) -> "Settings":
        problems = tuple(self._contradictions())
        if problems:
            raise Contradictions(problems)
        return self

    def _contradictions(self) -> Iterator[SettingProblem]:
        accounts = self.providers.accounts
        yield from check_public_url(self.public_url, [a for a in accounts if ADAPTERS[a.adapter].CAPABILITIES.callback])
        yield from check_dashboard_url(self.dashboard.url)
        yield from check_listen_url(self.database.url, self.database.listen_url)
        yield from check_speed(self.providers.speed, accounts)
        delivery = self.delivery
        bodies = ("WHENFINAL_BODIES_MAX_BYTES", self.api.bodies_max_bytes)
        yield from check_order(
            ("WHENFINAL_API_MAX_BYTES", self.api.max_bytes, *bodies),
            ("WHENFINAL_PROVIDER_TIMEOUT_S", self.providers.timeout_s, "WHENFINAL_LEASE_S", self.lease_s),
            ("WHENFINAL_WEBHOOK_TIMEOUT_S", delivery.timeout_s, "WHENFINAL_LEASE_S", self.lease_s),
            ("WHENFINAL_WEBHOOK_CONNECT_S", delivery.connect_s, "WHENFINAL_WEBHOOK_TIMEOUT_S", delivery.timeout_s),
            (
                "WHENFINAL_DELIVERY_PER_ENDPOINT",
                delivery.per_endpoint,
                "WHENFINAL_DELIVERY_CONCURRENCY",
                delivery.concurrency,
            ),
        )


def config_error(problems: Sequence[SettingProblem]) -> ConfigError:
    """The error that names one or more problems."""
    if len(problems) == 1:
        return ConfigError(f"{problems[0].variable}: {problems[0].rule}", hint=problems[0].hint)
    lines = "".join(f"\n  {problem}" for problem in problems)
    return ConfigError(f"{len(problems)} settings are wrong:{lines}\n", hint="correct them all, then start again")


def read_settings(mapping: Mapping[str, str]) -> Settings | tuple[SettingProblem, ...]:
    """The settings, or every problem found. Contradictions are looked for once every text can be read."""
    known = list_settings(Settings)
    given, quoted = take_quotes_away({name: text.strip() for name, text in mapping.items() if text.strip()})
    accounts, problems = read_accounts(given)
    values = nest_values({name: text for name, text in given.items() if name != PROVIDERS}, known)
    values["providers"] = {**values.get("providers", {}), "accounts": accounts}
    found = [*quoted, *find_unknown_names(given, known)]
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        return (*found, *find_problems(error, known), *problems)
    return (*found, *problems) or settings


def read_shell_settings(mapping: Mapping[str, str]) -> ShellSettings | tuple[SettingProblem, ...]:
    """What a command against a running service needs of the settings, whatever is wrong with the others."""
    known = list_settings(ShellSettings)
    given, quoted = take_quotes_away({each.env: mapping[each.env].strip() for each in known if each.env in mapping})
    try:
        settings = ShellSettings.model_validate(nest_values(given, known))
    except ValidationError as error:
        return (*quoted, *find_problems(error, known))
    return tuple(quoted) or settings
