"""A campaign says how many of its samples are disturbed."""

from __future__ import annotations

import logging

import pytest

from lpnet.cli import show
from lpnet.http import Http
from lpnet.progress import quiet
from lpnet.schemas.campaign import Campaign
from lpnet.waiting import Waiting


def ended(disturbed: int) -> Campaign:
    return Campaign.model_validate(
        {
            "id": "campaign-1",
            "target": "desk-cpu",
            "space": "0" * 64,
            "state": "done",
            "total": 358,
            "measured": 358,
            "disturbed": disturbed,
            "failed": 0,
            "created_at": "2026-01-31T12:00:00Z",
        }
    )


def wait(disturbed: int) -> Campaign:
    with Http("http://127.0.0.1:9") as http:
        return Waiting(http, 0.1).campaign(ended(disturbed), quiet)


def test_it_is_told_when_a_campaign_ends(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING, "lpnet"):
        show.print_campaign(wait(200))
    assert "200 of 358 samples are disturbed" in caplog.text
    assert "`lpnet table desk-cpu --disturbed` shows the reasons" in caplog.text
    output = capsys.readouterr().out
    assert "158 of 358 good, 200 disturbed" in output
    assert "disturbed samples are not used for training" in output


def test_without_any_there_is_no_warning(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING, "lpnet"):
        show.print_campaign(wait(0))
    assert not caplog.text
    assert "358 of 358 good, 0 disturbed" in capsys.readouterr().out
