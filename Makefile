# Everything a person does with a checkout. Needs Python 3.11 to 3.13 and make; the rest is installed into .venv.

BIN := .venv/bin
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo server test rehearsal chaos hostile check fix bench bench-folder lock clean

help:  ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.ready  ## Install Bascule and what it needs into .venv: once, and again when the lock or pyproject.toml changed
	@:

demo: setup  ## See a wave of 24 cabinets on the sandbox: it runs, some fail, only these are run again
	@$(BIN)/bascule demo

server: setup  ## Start Prefect's server, the deployments and a worker on this machine, to try as a team
	@$(BIN)/bascule server

# The tests of flows come after the others: each of the two processes that take them, a file at a time, has a Prefect server
# of its own, and more would starve it. The second pytest runs even when the first failed: one look shows everything.
test: setup  ## Run every test
	@failed=0; \
	$(BIN)/pytest -n auto --durations=10 --ignore=tests/flows || failed=1; \
	$(BIN)/pytest -n 2 --dist loadfile --durations=10 tests/flows || failed=1; \
	exit $$failed

rehearsal: setup  ## The human road with 31 cabinets, which the tests walk with a third of them
	@REHEARSAL=31 $(BIN)/pytest -q tests/flows/test_rehearsal.py

# What is killed, and what must hold afterwards: tests/chaos. A seed draws the same storm each time, as far as processes allow.
SEEDS ?= 300
CABINETS ?= 12
PREFECT_SEEDS ?= 5
PREFECT_CABINETS ?= 200
chaos: setup  ## Kill runs, servers and connections at random, seed by seed, let systems lie, and see that no cabinet suffers: SEEDS=300 PREFECT_SEEDS=5
	@$(BIN)/python -m tests.chaos engine --seeds $(SEEDS) --cabinets $(CABINETS)
	@$(BIN)/python -m tests.chaos prefect --seeds $(PREFECT_SEEDS) --cabinets $(PREFECT_CABINETS)

# Every moment of ending, every fault of Prefect: the short forms are among the tests.
hostile: setup  ## Try what a hostile world does, in long form: SIGTERM at ten moments each, Prefect lost in every way
	@HOSTILE=1 $(BIN)/pytest -q --timeout 600 tests/flows/test_door.py tests/flows/test_sigterm.py tests/flows/test_lost_prefect.py

check: setup  ## Look for everything a reviewer should not have to: style, types, arrows, stale docs. Changes nothing
	@failed=; \
	look() { echo "== $$*"; "$(BIN)/$$@" || failed="$$failed  $$*\n"; }; \
	look ruff check --output-format concise .; \
	look ruff format --check --output-format concise .; \
	look mypy; \
	look lint-imports --no-logo; \
	if test -f console/docs.py; then look python -m console.docs --check; fi; \
	if test -n "$$failed"; then printf '\nFailed:\n%b`make fix` mends what a program can mend.\n' "$$failed" >&2; exit 1; fi

fix: setup  ## Mend what a program can mend: format, simple findings, generated docs
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .
	@if test -f console/docs.py; then $(BIN)/python -m console.docs; fi

bench: setup  ## Measure what a wave costs, beside what others cost
	@$(BIN)/python -m benchmarks

bench-folder: setup  ## Measure what a wave of 5,000 cabinets costs to look at: status, run folder, audit
	@$(BIN)/python -m benchmarks.folder

lock: .venv-lock/.ready  ## Bring requirements.lock in line with pyproject.toml; with UPGRADE=1 to the newest of everything
	@.venv-lock/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make lock" --extra postgres --group dev $(if $(UPGRADE),--upgrade) \
		--output-file requirements.lock pyproject.toml

clean:  ## Remove what can be made again. Never .bascule, where the ledger is
	@rm -rf .venv .venv-lock build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: requirements.lock pyproject.toml
	@$(call venv,.venv)
	@echo "Installing what requirements.lock lists into .venv (about a minute the first time)"
	@$(BIN)/python -m pip install -qq --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation -e .
	@$(BIN)/python -m pip check || { echo "pyproject.toml and requirements.lock disagree: make lock" >&2; exit 1; }
	@touch $@

# uv writes locks for several Pythons at once, which pip-tools does not. It has a place of its own, as its version
# decides how the lock looks, and nothing else needs it.
.venv-lock/.ready: Makefile
	@$(call venv,.venv-lock)
	@.venv-lock/bin/python -m pip install -qq uv==0.13.9
	@touch $@

# Makes a virtual environment where none works, with the first Python that will do. One may be found by name and yet not
# run (pyenv), be too old or too new, or come without venv (Debian).
PYTHON ?= python3 python3.13 python3.12 python3.11 python
define venv
	if ! $(1)/bin/python -m pip --version >/dev/null 2>&1; then \
		for python in $(PYTHON); do \
			if "$$python" -c '$(USABLE)' >/dev/null 2>&1; then found=$$python; break; fi; \
		done; \
		if test -z "$$found"; then \
			echo "Bascule needs Python 3.11, 3.12 or 3.13 with its venv module; none was found as: $(PYTHON)." >&2; \
			echo "Install one (Debian: apt-get install python3-venv), or name it: make setup PYTHON=/path/to/python3.12" >&2; \
			exit 1; \
		fi; \
		"$$found" -m venv --clear $(1); \
	fi
endef
USABLE := import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
