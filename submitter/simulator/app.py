"""The ASGI application of all five platforms."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from submitter.simulator import control, media
from submitter.simulator.config import BASE_PATHS, SimulatorConfig
from submitter.simulator.platforms import dashscope, hiapi, modellix, modelstream, tokenbay
from submitter.simulator.world import World

_PLATFORMS = {
    "hiapi": hiapi.ROUTES,
    "dashscope": dashscope.ROUTES,
    "modellix": modellix.ROUTES,
    "modelstream": modelstream.ROUTES,
    "tokenbay": tokenbay.ROUTES,
}


def create_app(config: SimulatorConfig) -> Starlette:
    """Return the application. Only the servers of `running` and `run` can drop a connection without an answer."""
    platforms = [Mount(BASE_PATHS[name], routes=list(routes)) for name, routes in _PLATFORMS.items()]
    app = Starlette(routes=[*control.ROUTES, *media.ROUTES, *platforms], lifespan=_lifespan)
    app.state.world = World(config=config)
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    world: World = app.state.world
    yield
    await world.close()
