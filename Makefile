# Everything runs in .venv, which is made when it is missing or older than what it is made of. The
# demo needs less than the tests: each has a stamp.
PYTHON ?= python3
BIN := .venv/bin
PROJECTS := pyproject.toml service/pyproject.toml demo/pyproject.toml
# `make test TESTS=tests/unit/space` runs some of the tests; PYTEST_ARGS="--seed 7 --shuffle" draws
# otherwise.
# More than two cores can use, as many tests wait for processes.
WORKERS ?= 4

.PHONY: demo demo-postgres wheel test test-all lint bench spaces-bench screenshots format clean

demo: .venv/demo
	$(BIN)/lpnet demo $(DEMO_ARGS)

# The same on a Postgres of its own, which is gone afterwards, with two API processes and two workers.
demo-postgres: .venv/installed
	$(BIN)/python tools/with-postgres \
	  $(BIN)/lpnet demo --database-url @ --api-processes 2 --workers 2 $(DEMO_ARGS)

test: .venv/installed
ifdef TESTS
	$(BIN)/python -m pytest $(TESTS) $(PYTEST_ARGS)
else
	WORKERS=$(WORKERS) tools/run-tests $(PYTEST_ARGS)
endif

# With the slow ones, and with properties tried on more examples.
test-all: .venv/installed
	WORKERS=$(WORKERS) tools/run-tests --all $(PYTEST_ARGS)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/plain-words
	$(BIN)/deno fmt --check
	$(BIN)/deno lint

bench: .venv/installed
	$(BIN)/python -m benchmarks

# `make spaces-bench SPACES="timm --again"`: see benchmarks/spaces/__main__.py. It takes hours.
spaces-bench: .venv-spaces/installed
	.venv-spaces/bin/python -m benchmarks.spaces $(SPACES)

# Networks written by others, beside what .venv has: torch is installed once.
.venv-spaces/installed: .venv/installed benchmarks/spaces/requirements.txt
	$(BIN)/python -m benchmarks.spaces.environment .venv-spaces
	touch $@

# Of the database that `make demo` left last, and of one with a million samples, made if missing.
DEMO ?= $(shell ls -t lpnet-demo/*.db 2>/dev/null | head -n 1)
MILLION ?= lpnet-demo/million.sqlite
screenshots: .venv/installed
	test -n "$(DEMO)" || { echo "no database of a demo: make demo first" >&2; exit 1; }
	test -e $(MILLION) || $(BIN)/python -m benchmarks.storage.filling --database sqlite:///$(MILLION)
	$(BIN)/python tools/screenshots $(DEMO) $(MILLION)

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/deno fmt

.venv/demo: $(PROJECTS) constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e . -e ./service -e ./demo
	touch $@

.venv/installed: $(PROJECTS) constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt \
	  -e ".[dev]" -e "./service[cloud,telemetry]" -e ./demo
	touch .venv/demo $@

$(BIN)/python:
	$(PYTHON) -m venv .venv

# Copy what another machine needs from dist/ to it: docs/start/install.md.
wheel: | $(BIN)/python
	rm -f dist/*.whl
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist . ./service ./demo
	@ls dist/*.whl

clean:
	rm -rf dist .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis lpnet-demo
