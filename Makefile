# twin-ems. `make demo` and `make test` need Python 3.11+ (with venv), git and make, nothing else.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
JOBS ?= 2
ARGS ?=

.PHONY: demo test lint bench clean install

install: .venv/product

.venv/product: pyproject.toml setup.py $(wildcard */*.c */*.h)
	@test -n "$(PYTHON)" || { echo "twin-ems needs Python 3.11 or newer with venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv >&2
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e . >&2
	@$(BIN)/python -m compileall -qq anomaly connectors dashboard datasets ems forecasting plant policy twin_sim
	@touch $@

.venv/development: pyproject.toml .venv/product
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e '.[dev]' >&2
	@touch $@

demo: .venv/product
	@$(BIN)/ems demo $(ARGS)

lint: .venv/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	@sh tests/bring.sh
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -q tests

bench: .venv/product
	@$(BIN)/ems bench $(ARGS)

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo */*.so
