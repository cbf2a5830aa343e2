"""Transactions that Postgres ends in favour of another: repeated once, everywhere."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from psycopg import errors
from sqlalchemy.exc import OperationalError

import lpnet_service.services
from lpnet_service.db.retrying import retried

# Commands that an operator repeats; they count what they delete.
_NOT_REPEATED = {"upkeep/retention.py", "shared/artifacts.py"}


class Transaction:
    """Raises these errors, one after another, and then returns."""

    def __init__(self, *errors_: Exception) -> None:
        self.errors = list(errors_)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise OperationalError("UPDATE", {}, self.errors.pop(0))
        return "done"


@pytest.mark.parametrize("error", [errors.DeadlockDetected(), errors.SerializationFailure()])
def test_what_lost_to_another_is_repeated_once(error: Exception) -> None:
    once, twice = Transaction(error), Transaction(error, error)
    assert retried(once.__call__)() == "done"
    with pytest.raises(OperationalError):
        retried(twice.__call__)()
    assert (once.calls, twice.calls) == (2, 2)


def test_other_errors_are_not_repeated() -> None:
    transaction = Transaction(errors.AdminShutdown())
    with pytest.raises(OperationalError):
        retried(transaction.__call__)()
    assert transaction.calls == 1


def test_every_function_that_writes_is_repeated() -> None:
    folder = Path(lpnet_service.services.__file__).parent
    once = []
    for path in folder.rglob("*.py"):
        if str(path.relative_to(folder)) in _NOT_REPEATED:
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and "ctx.db.write()" in ast.unparse(node):
                decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
                once += [] if "retried" in decorators else [f"{path.name}: {node.name}"]
    assert once == []
