"""Lines of the log: one shape, with what is known of the work at hand."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextvars import copy_context

import pytest
import structlog
from tests.harness.loglines import Lines, logged

from lpnet.logs import fields
from lpnet_service.errors import SetupError
from lpnet_service.observe.logs import log_to_stderr


@pytest.fixture
def lines() -> Iterator[Lines]:
    with logged() as found:
        yield found


def test_lines_of_all_libraries_have_one_shape(lines: Lines) -> None:
    fields.reset(request_id="r1")
    structlog.get_logger().info("ours", samples=3)
    logging.getLogger("uvicorn.error").warning("%s of a library", "one")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("a warning", UserWarning, stacklevel=1)
    logging.getLogger("httpx").info("a request was sent")
    structlog.get_logger().debug("too fine")
    ours, library, warning = lines.all()
    assert (ours["event"], ours["samples"], ours["level"]) == ("ours", 3, "info")
    assert (library["event"], library["logger"]) == ("one of a library", "uvicorn.error")
    assert "a warning" in warning["event"]
    for line in (ours, library, warning):
        assert line["request_id"] == "r1"
        assert line["timestamp"].endswith("Z")


def test_an_exception_is_part_of_its_line_and_keeps_no_secret(lines: Lines) -> None:
    try:
        raise ValueError("cannot reach postgresql://me:s3cret@db/x")
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("alembic").exception("failed too")
    assert "s3cret" not in lines.text
    for line in lines.all():
        assert "ValueError: cannot reach postgresql://me:***@db/x" in line["exception"]


def test_what_a_thread_learns_reaches_the_lines_of_the_request(lines: Lines) -> None:
    fields.reset(request_id="r1")
    inherited = copy_context()
    thread = threading.Thread(target=lambda: inherited.run(fields.bind, job="job-1", agent=None))
    thread.start()
    thread.join()
    structlog.get_logger().info("after")
    assert lines.all()[0].items() >= {"request_id": "r1", "job": "job-1"}.items()
    assert "agent" not in lines.all()[0]


def test_work_within_work_adds_fields_and_takes_them_along(lines: Lines) -> None:
    fields.reset(device="desk")
    with fields.bound(job="job-1"):
        fields.bind(target="desk-cpu")
        structlog.get_logger().info("inside")
    structlog.get_logger().info("outside", device="its own")
    inside, outside = lines.all()
    assert inside.items() >= {"device": "desk", "job": "job-1", "target": "desk-cpu"}.items()
    assert outside["device"] == "its own"
    assert not {"job", "target"} & outside.keys()


def test_what_is_learned_outside_any_work_is_for_nobody(lines: Lines) -> None:
    def elsewhere() -> None:
        fields.bind(job="job-1")
        structlog.get_logger().info("line")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "job" not in lines.all()[0]


@pytest.mark.parametrize(
    ("variable", "value"), [("LPNET_LOG_FORMAT", "xml"), ("LPNET_LOG_LEVEL", "loud")]
)
def test_a_setting_that_cannot_be_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SetupError, match=f"{variable}: must be one of .*, got '{value}'"):
        log_to_stderr()
