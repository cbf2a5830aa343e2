"""An agent that nobody serves ends with a reason, instead of asking for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import typer

from lpnet.errors import NotAllowed, Unauthenticated
from lpnet.http import Http
from lpnet.schemas.device import DeviceFacts, Registration, TargetSpec
from lpnet.stop import Stop
from lpnet_agent.cli.base import NOT_ALLOWED, one_line_errors
from lpnet_agent.errors import SetupError
from lpnet_agent.serve.loop import Agent
from lpnet_agent.serve.spool import Spool


def run(folder: Path, url: str, answer: httpx.Response) -> None:
    """An agent whose first request, the registration, is answered so."""
    unused = cast(Any, None)
    transport = httpx.MockTransport(lambda request: answer)
    with Http(url, attempts=1, transport=transport) as http:
        Agent(
            http=http,
            registration=Registration(
                device="box",
                facts=DeviceFacts(),
                targets=(TargetSpec(name="box-cpu"),),
                agent_version="1",
            ),
            measurer=unused,
            readiness=unused,
            reporter=unused,
            spool=Spool(folder),
            spaces=unused,
            stop=Stop(),
            poll_s=0,
            takeover_s=0,
        ).run()


def test_an_address_without_a_service_is_not_waited_for(tmp_path: Path) -> None:
    answer = httpx.Response(404, json={"detail": "Not Found"})
    with pytest.raises(SetupError, match=r"http://lab/v1/v1/agents is not found.*without a path"):
        run(tmp_path, "http://lab/v1", answer)


def test_a_refused_token_ends_the_agent(tmp_path: Path) -> None:
    with pytest.raises(NotAllowed):
        run(tmp_path, "http://lab", httpx.Response(401, json={"code": "unauthenticated"}))


@pytest.mark.parametrize(
    ("error", "status"),
    [(Unauthenticated(401, "unauthenticated", "no"), NOT_ALLOWED), (SetupError("no"), 1)],
)
def test_a_refused_token_has_an_exit_status_of_its_own(error: Exception, status: int) -> None:
    with pytest.raises(typer.Exit) as ended, one_line_errors("run"):
        raise error
    assert ended.value.exit_code == status
