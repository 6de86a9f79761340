"""The configuration of one simulator run: speed, keys, limits, faults, and points on which the documents disagree.

Every value that stands for a provider's own time is in provider seconds; divided by `speed` it is real seconds.
Timestamps inside bodies are always real times, so that a link expires when its body says.
Limits and retention follow the platforms' documentation, read 2026-11-21:
https://docs.hiapi.ai/api-reference/rate-limits (HiAPI), https://docs.qwencloud.com (DashScope task API),
https://docs.modellix.ai (Modellix). The two gateways publish none. The sources of the others stand in their modules.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from submitter.simulator.faults import check_fault_names

BASE_PATHS: Mapping[str, str] = {
    "hiapi": "/hiapi",
    "dashscope": "/dashscope/api/v1",
    "modellix": "/modellix/api/v1",
    "modelstream": "/modelstream",
    "tokenbay": "/tokenbay",
    "seedance": "/seedance/api/v3",
    "minimax": "/minimax",
    "minimax-v1": "/minimax-v1",
    "runway": "/runway",
    "veo": "/veo/v1beta",
    "fal": "/fal",
    "replicate": "/replicate/v1",
    "kling": "/kling",
    "kie": "/kie/api/v1",
}

PLATFORMS = tuple(BASE_PATHS)

DAY_S = 86_400.0

#: Of the platforms that sign callbacks with a secret.
WEBHOOK_SECRETS: Mapping[str, str] = {
    "hiapi": "sim-hiapi-webhook-secret",
    "veo": "whsec_c2ltLXZlby13ZWJob29rLXNlY3JldC0w",
    "replicate": "whsec_c2ltLXJlcGxpY2F0ZS13ZWJob29rLXNlY3JldA==",
    "kling": "whsec_c2ltLWtsaW5nLXdlYmhvb2stc2VjcmV0",
    "kie": "sim-kie-webhook-secret",
}

#: Of the platforms at which an account can have a pair of keys: the second key, beside the one of `key`.
SECRET_KEYS: Mapping[str, str] = {"kling": "sim-kling-secret-key"}

#: Where the public keys of the platforms are that sign callbacks with a private one, below the base path.
KEYS_PATHS: Mapping[str, str] = {
    "dashscope": "/x509_public_certificate_simulated.pem",
    "fal": "/.well-known/jwks.json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The rate and concurrency limits of a platform; None means no such limit."""

    #: requests in a window
    requests: int | None = None
    #: length of a window, provider seconds
    window_s: float = 60.0
    #: unfinished tasks at the same time
    concurrent: int | None = None
    #: which requests count; `task_calls` are queries, lists and cancellations
    counts: Literal["everything", "task_calls", "submits"] = "everything"


UNLIMITED = Limit()

NO_LIMITS: Mapping[str, Limit] = dict.fromkeys(PLATFORMS, UNLIMITED)

DOCUMENTED_LIMITS: Mapping[str, Limit] = {
    "hiapi": Limit(requests=60, window_s=60.0, concurrent=10),
    "dashscope": Limit(requests=20, window_s=1.0, counts="task_calls"),
    "modellix": Limit(requests=100, window_s=60.0, concurrent=10),
    "modelstream": UNLIMITED,
    "tokenbay": UNLIMITED,
    "seedance": Limit(concurrent=120),
    "minimax": UNLIMITED,
    "minimax-v1": UNLIMITED,
    "runway": UNLIMITED,  # of requests; tasks above `runway_slots` are THROTTLED
    "veo": UNLIMITED,
    "fal": UNLIMITED,
    "replicate": Limit(requests=600, window_s=60.0),
    "kling": Limit(concurrent=20),
    "kie": Limit(requests=20, window_s=10.0, counts="submits"),
}

RETENTION_S: Mapping[str, float] = dict.fromkeys(PLATFORMS, DAY_S) | {
    "hiapi": 7 * DAY_S,
    "runway": 7 * DAY_S,
    "veo": 2 * DAY_S,
    "fal": 3_600.0,
    "replicate": 3_600.0,
    "kling": 30 * DAY_S,
    "kie": 14 * DAY_S,
}


def check_platform(name: str) -> str:
    """Return the name of a platform unchanged. Raise ValueError for any other name."""
    if name not in PLATFORMS:
        raise ValueError(f"no platform is called {name!r}; there are {', '.join(PLATFORMS)}")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """The settings of one run. A platform that is not in a mapping has its documented default."""

    seed: int = 1
    #: provider seconds per real second
    speed: float = 1.0
    #: the bearer key a platform accepts; the default of a platform is `sim-<platform>-key`
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: the secret that signs a platform's callbacks, in place of WEBHOOK_SECRETS; None: they are not signed
    webhook_secrets: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    #: where a platform posts the callbacks of its account, which no submit names; without one it posts none
    account_callback_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: whether later attempts of a callback get a fresh timestamp and signature, where no document says
    signs_attempts_anew: bool = True
    modellix_async_path: Literal["both", "suffix", "plain"] = "both"
    #: answer of GET /v1/video/generations/{id}: published page (a), source (b), Gemini channels (d)
    modelstream_shape: Literal["a", "b", "d"] = "b"
    #: its documentation says 402, the software it seems to run says 403
    modelstream_quota_status: Literal[402, 403] = 402
    #: how long a fresh row stays NOT_START, in provider seconds
    modelstream_not_started_s: float = 0.0
    tokenbay_shape: Literal["flat", "data"] = "flat"
    #: False: business failures of a submit answer 400 instead of 200
    tokenbay_errors_in_200: bool = True
    #: tasks of the account at work at once, one to five by its tier; further ones are THROTTLED
    runway_slots: int = 5
    #: whether the platform's errors come within HTTP 200
    kling_errors_in_200: bool = False
    #: whether the platform answers HTTP 200 to what it refuses, with the code in the body
    kie_errors_in_200: bool = False
    #: median of the log-normal task duration, provider seconds
    median_s: float = 120.0
    sigma: float = 0.15
    #: share of a task's duration spent queued
    queued_share: float = 0.1
    failure_rate: float = 0.0
    #: fault name -> probability for each submit
    faults: Mapping[str, float] = field(default_factory=dict)
    #: per platform, in place of DOCUMENTED_LIMITS; NO_LIMITS turns all off
    limits: Mapping[str, Limit] = field(default_factory=dict)
    #: tasks a platform accepts before its balance is too low; None or absent: endless
    quota: Mapping[str, int | None] = field(default_factory=dict)
    #: life of results, provider seconds, in place of RETENTION_S
    retention_s: Mapping[str, float] = field(default_factory=dict)
    #: delay of an answer by reply_slow and query_slow, provider seconds
    slow_s: float = 60.0
    #: delay of the first attempt by callback_late, provider seconds
    late_s: float = 900.0
    #: how long a platform waits for an answer to a callback, real seconds
    callback_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        check_fault_names(self.faults)
        if self.speed <= 0 or self.median_s <= 0:
            raise ValueError("speed and median_s must be above zero")
        chances = {**self.faults, "failure_rate": self.failure_rate, "queued_share": self.queued_share}
        for name, chance in chances.items():
            if not 0 <= chance <= 1:
                raise ValueError(f"{name} must be from 0 to 1")
        for platform in {
            *self.keys,
            *self.webhook_secrets,
            *self.account_callback_urls,
            *self.limits,
            *self.quota,
            *self.retention_s,
        }:
            check_platform(platform)

    def key(self, platform: str) -> str:
        """The bearer key that `platform` accepts."""
        return self.keys.get(platform, f"sim-{platform}-key")

    def webhook_secret(self, platform: str) -> str | None:
        """The secret that signs the callbacks of `platform`."""
        return self.webhook_secrets.get(platform, WEBHOOK_SECRETS.get(platform))

    def limit(self, platform: str) -> Limit:
        """The limit in force on `platform`."""
        return self.limits.get(platform, DOCUMENTED_LIMITS[platform])

    def retention(self, platform: str) -> float:
        """Real seconds for which `platform` stores a result."""
        return self.real_s(self.retention_s.get(platform, RETENTION_S[platform]))

    def real_s(self, provider_s: float) -> float:
        """Convert provider seconds to real seconds."""
        return provider_s / self.speed
