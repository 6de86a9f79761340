"""The adapters by name. A new provider is one module and one line here; mypy checks it against the contract."""

from collections.abc import Mapping

from submitter.providers import (
    dashscope,
    dashscope_events,
    hiapi,
    modellix,
    modelstream,
    newapi,
    newapi_statuses,
    seedance,
    tokenbay,
)
from submitter.providers.contract import (
    AnswersChallenges,
    CancelsAfterLook,
    CancelsTasks,
    FetchesResults,
    HasTwoPaths,
    ListsTasks,
    OriginPlaces,
    Provider,
    ServesFiles,
    SignsRequests,
    VerifiesByKeys,
)

ADAPTERS: Mapping[str, Provider] = {
    "hiapi": hiapi,
    "dashscope": dashscope,
    "modellix": modellix,
    "modelstream": modelstream,
    "tokenbay": tokenbay,
    "seedance": seedance,
    "newapi": newapi,  # any other new-api gateway; the account must set its base URL
}

LISTS_TASKS: Mapping[str, ListsTasks] = {"hiapi": hiapi, "dashscope": dashscope, "seedance": seedance}

CANCELS_TASKS: Mapping[str, CancelsTasks] = {"dashscope": dashscope, "seedance": seedance}

HAS_TWO_PATHS: Mapping[str, HasTwoPaths] = {"modellix": modellix}

SERVES_FILES: Mapping[str, ServesFiles] = {"modelstream": modelstream, "tokenbay": tokenbay, "newapi": newapi}

CANCELS_AFTER_LOOK: Mapping[str, CancelsAfterLook] = {"seedance": seedance}

FETCHES_RESULTS: Mapping[str, FetchesResults] = {}

ANSWERS_CHALLENGES: Mapping[str, AnswersChallenges] = {}

VERIFIES_BY_KEYS: Mapping[str, VerifiesByKeys] = {"dashscope": dashscope_events}

SIGNS_REQUESTS: Mapping[str, SignsRequests] = {}

ORIGINS: Mapping[str, OriginPlaces] = {
    "hiapi": hiapi.ORIGIN,
    "dashscope": dashscope.ORIGIN,
    "modelstream": newapi_statuses.ORIGIN,
    "tokenbay": newapi_statuses.ORIGIN,
    "seedance": seedance.ORIGIN,
    "newapi": newapi_statuses.ORIGIN,
}
