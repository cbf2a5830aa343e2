"""Output that a reader leaves early."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
from lpnet.cli.base import new_app, print_json
app = new_app("print numbers")
@app.command()
def small(): print_json({"number": 1})
@app.command()
def large(): print_json({str(number): number for number in range(100_000)})
app()
"""


@pytest.mark.parametrize("command", ["small", "large"])
def test_a_pipe_that_nobody_reads_prints_no_error(command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, command],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 1
