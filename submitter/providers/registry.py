"""The adapters by name. A new provider is one module and one line here; mypy checks it against the contract."""

from collections.abc import Mapping

from submitter.providers import (
    dashscope,
    dashscope_events,
    fal,
    hiapi,
    kie,
    kling,
    minimax,
    minimax_v1,
    modellix,
    modelstream,
    newapi,
    newapi_statuses,
    replicate,
    runway,
    seedance,
    tokenbay,
    veo,
)
from submitter.providers.contract import (
    AddressesTasks,
    AnswersChallenges,
    CancelsAfterLook,
    CancelsTasks,
    FetchesResults,
    FindsByOwnId,
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
    "minimax": minimax,
    "minimax-v1": minimax_v1,
    "runway": runway,
    "veo": veo,
    "fal": fal,
    "replicate": replicate,
    "kling": kling,
    "kie": kie,
    "newapi": newapi,  # any other new-api gateway; the account must set its base URL
}

LISTS_TASKS: Mapping[str, ListsTasks] = {
    "hiapi": hiapi,
    "dashscope": dashscope,
    "seedance": seedance,
    "minimax": minimax,
    "replicate": replicate,
}

FINDS_BY_OWN_ID: Mapping[str, FindsByOwnId] = {"kling": kling}

CANCELS_TASKS: Mapping[str, CancelsTasks] = {
    "dashscope": dashscope,
    "seedance": seedance,
    "minimax": minimax,
    "runway": runway,
    "fal": fal,
    "replicate": replicate,
}

HAS_TWO_PATHS: Mapping[str, HasTwoPaths] = {"modellix": modellix}

SERVES_FILES: Mapping[str, ServesFiles] = {
    "modelstream": modelstream,
    "tokenbay": tokenbay,
    "veo": veo,
    "newapi": newapi,
}

CANCELS_AFTER_LOOK: Mapping[str, CancelsAfterLook] = {
    "seedance": seedance,
    "minimax": minimax,
    "runway": runway,
}

FETCHES_RESULTS: Mapping[str, FetchesResults] = {"minimax-v1": minimax_v1, "fal": fal}

ADDRESSES_TASKS: Mapping[str, AddressesTasks] = {"fal": fal}

ANSWERS_CHALLENGES: Mapping[str, AnswersChallenges] = {
    "minimax": minimax,
    "minimax-v1": minimax_v1,
    "veo": veo,
    "kling": kling,
}

VERIFIES_BY_KEYS: Mapping[str, VerifiesByKeys] = {"dashscope": dashscope_events, "fal": fal}

SIGNS_REQUESTS: Mapping[str, SignsRequests] = {"kling": kling}

ORIGINS: Mapping[str, OriginPlaces] = {
    "hiapi": hiapi.ORIGIN,
    "dashscope": dashscope.ORIGIN,
    "replicate": replicate.ORIGIN,
    "kling": kling.ORIGIN,
    "kie": kie.ORIGIN,
    "modelstream": newapi_statuses.ORIGIN,
    "tokenbay": newapi_statuses.ORIGIN,
    "runway": runway.ORIGIN,
    "seedance": seedance.ORIGIN,
    "minimax": minimax.ORIGIN,
    "newapi": newapi_statuses.ORIGIN,
}
