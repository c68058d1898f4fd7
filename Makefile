# run: everything up, from nothing.  test: every test and check, without network.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP_QUIETLY := --quiet --disable-pip-version-check
UP ?= --source synthetic

.PHONY: run test lint bench bench-market bench-portfolios proof stress-page api-closure clean

run: .venv/installed
	@$(BIN)/python -m sigmasight_assets.cli.main up $(UP)

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/installed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-logo

bench: .venv/installed
	$(BIN)/python -m benchmarks

# A night of every symbol at the two requests a second that Yahoo allows: an hour and a half.
bench-market: .venv/installed
	$(BIN)/python -m benchmarks.market_night

# One session and twenty, of up to 10,000 portfolios of 50 positions: ten minutes.
bench-portfolios: .venv/installed
	$(BIN)/python -m benchmarks.ten_thousand

# Every column of 300 portfolios over 60 sessions against the ledger and the oracles: a quarter of
# an hour.
proof: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.ledger_proof

# The table of stress tests on real prices in docs/method.md.
stress-page: .venv/installed
	$(BIN)/python -m benchmarks.stress_page

# The service must run without Dagster: an environment that holds its dependencies alone.
api-closure:
	$(PYTHON) -m venv .venv-api
	.venv-api/bin/python -m pip install $(PIP_QUIETLY) -c constraints.txt -e ".[api]" pytest httpx
	.venv-api/bin/python -m pytest -p no:cacheprovider --noconftest sigmasight_assets_tests/api

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'Python 3.11 or newer is needed; if it is somewhere else: make PYTHON=/its/path'; exit 1; }
	@echo "installing into .venv: a minute or two without a word, this first time"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install $(PIP_QUIETLY) -c constraints.txt -e ".[pipeline,api,dev]"
	@touch $@

clean:
	rm -rf .venv .venv-api
