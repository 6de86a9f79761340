"""What is open in the ledger, which models the providers take, whether all is well, and who did what."""

from functools import partial

from receiver.metrics.snapshot import MOST, Open, ProviderSnapshot
from receiver.runtime.doctor.checks import Level, check_settings, view
from receiver.runtime.doctor.here import check_clock, check_open_database
from receiver.runtime.doctor.network import check_network
from receiver.runtime.services import Services
from receiver.store.audit import AuditSearch
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.limits import visible_providers
from receiver.web.problems import Kind, invalid, not_found
from receiver.web.schemas.acts import ChecksQuery, ModelsQuery
from receiver.web.schemas.searches import AuditQuery
from receiver.web.schemas.tasks import NoBody, NoQuery
from submitter.api_service import (
    AuditLine,
    AuditPage,
    ChecksAnswer,
    Counted,
    Counts,
    DeliveryCounts,
    ModelLimits,
    ModelsAnswer,
    ProviderCounts,
    Range,
    VideoKind,
)
from submitter.errors import Violation
from submitter.providers.contract import ConfiguredProvider, ModelFamily

COUNTS_OLD_MS = 2_000  # of a snapshot that answers a request


async def list_models(context: RequestContext[ModelsQuery, NoBody]) -> JsonAnswer:
    providers = visible_providers(context.services.providers, context.caller.limits)
    wanted = context.query.provider
    if wanted is not None and wanted not in providers:
        accepted = ", ".join(providers) or "none: no provider is configured"
        raise invalid(Kind.MALFORMED, Violation(field="provider", rule="is not configured", accepted=accepted))
    found = [name for name in providers if wanted in {None, name}]
    return JsonAnswer(body=ModelsAnswer(models=tuple(each for name in found for each in models_of(providers[name]))))


async def list_models_of_provider(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    visible = visible_providers(context.services.providers, context.caller.limits)
    configured = visible.get(context.path_param("name"))
    if configured is None:
        raise not_found("provider")
    return JsonAnswer(body=ModelsAnswer(models=models_of(configured)))


def models_of(configured: ConfiguredProvider) -> tuple[ModelLimits, ...]:
    """Of each model that `video` takes there."""
    families = configured.adapter.CAPABILITIES.families
    return tuple(_limits(configured.account.name, name, family) for family in families for name in family.models)


def _limits(provider: str, name: str, family: ModelFamily) -> ModelLimits:
    return ModelLimits(
        provider=provider,
        model=name,
        kinds=_kinds(family),
        ratios=family.ratios,
        resolutions=family.resolutions,
        durations=_durations(family),
        only_durations=family.durations,
        prompt_required=family.prompt_required,
        prompt_weight=family.prompt_weight,
        prompt_characters=family.prompt_characters,
        negative_prompt=family.negative_prompt,
        reference_images=_range(family.reference_images),
        first_frame=family.first_frame,
        first_frame_optional=family.first_frame_optional,
        last_frame=family.last_frame,
        frames_exclude_references=family.frames_exclude_references,
        ratio_for_text=family.ratio_for_text,
        ratio_without_frame=family.ratio_without_frame,
        text_ratios=family.text_ratios,
        resolution_for_frame=family.resolution_for_frame,
        audio=family.audio,
        required=family.required,
        image_schemes=family.image_schemes,
        seed=_range(family.seed),
        watermark=family.watermark,
        reference_types=family.reference_types,
    )


def _durations(family: ModelFamily) -> Range | None:
    if family.durations:
        return Range(least=min(family.durations), most=max(family.durations))
    return _range(family.duration_s)


def _kinds(family: ModelFamily) -> tuple[VideoKind, ...]:
    """A family whose pictures are optional makes videos of several kinds."""
    references = family.reference_images
    needs_picture = (references is not None and references[0] > 0) or (
        family.first_frame and not family.first_frame_optional
    )
    kinds: dict[VideoKind, bool] = {
        "text-to-video": not needs_picture,
        "image-to-video": family.first_frame,
        "reference-to-video": references is not None,
    }
    return tuple(kind for kind, has_it in kinds.items() if has_it)


def _range(bounds: tuple[int, int] | None) -> Range | None:
    return None if bounds is None else Range(least=bounds[0], most=bounds[1])


async def show_counts(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    return JsonAnswer(body=await counts_of(context.services))


async def show_checks(context: RequestContext[ChecksQuery, NoBody]) -> JsonAnswer:
    services = context.services
    fresh = partial(services.snapshots.fresh, COUNTS_OLD_MS)
    checks = [
        *check_settings(services.settings),
        *await check_open_database(services.settings, services.store, fresh),
        await check_clock(),
    ]
    if context.query.network:
        checks += await check_network(services.settings, services.transport)
    is_ok = all(check.level is not Level.FAIL for check in checks)
    return JsonAnswer(body=ChecksAnswer(ok=is_ok, checks=tuple(map(view, checks))))


async def list_audit(context: RequestContext[AuditQuery, NoBody]) -> JsonAnswer:
    query = context.query
    wanted = AuditSearch(
        actor=query.actor, action=query.action, task_id=query.task, since_ms=query.since, until_ms=query.until
    )
    page = await context.services.store.audit.page(wanted, cursor=query.cursor, limit=query.limit)
    lines = tuple(map(AuditLine.model_validate, page.rows))
    return JsonAnswer(body=AuditPage(lines=lines, next_cursor=page.next_cursor))


async def counts_of(services: Services) -> Counts:
    """From the last snapshot, or a new one where it is old. Raise StoreUnavailable."""
    snapshot = await services.snapshots.fresh(COUNTS_OLD_MS)
    providers = snapshot.providers
    return Counts.model_validate(
        {
            "at": snapshot.at_ms,
            "most": MOST,
            "queued": _together([each.queued for each in providers]),
            "uncertain": _together([each.uncertain for each in providers]),
            "overdue": _together([each.overdue for each in providers]),
            "contradicted": _together([each.contradicted for each in providers]),
            "providers": tuple(map(_provider, providers)),
            "deliveries": DeliveryCounts(pending=_counted(snapshot.outbox), dead=_counted(snapshot.dead)),
            "subscriptions": snapshot.subscriptions,
        }
    )


def _provider(each: ProviderSnapshot) -> ProviderCounts:
    return ProviderCounts(
        provider=each.name,
        tasks=each.tasks,
        queued=_counted(each.queued),
        uncertain=_counted(each.uncertain),
        overdue=_counted(each.overdue),
        contradicted=_counted(each.contradicted),
        due_polls=_counted(each.due_polls),
        unknown_words=_counted(each.unknown_words),
    )


def _together(parts: list[Open]) -> Counted:
    since_ms = [part.since_ms for part in parts if part.since_ms is not None]
    return _counted(Open(number=min(MOST, sum(part.number for part in parts)), since_ms=min(since_ms, default=None)))


def _counted(found: Open) -> Counted:
    return Counted.model_validate(found)
