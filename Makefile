# One virtual environment, in .venv, made on first use. `make help` lists what there is.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help run monitor test check format bench docs ensemble clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

run: .venv/serving ## serve the web UI on http://127.0.0.1:7860
	$(BIN)/python -m apps.ui

monitor: .venv/serving ## serve the monitor of NASA's picture of the day on http://127.0.0.1:7860
	$(BIN)/python -m apps.monitor

test: .venv/everything ## run all tests
	$(BIN)/python -m pytest

check: .venv/everything ## what CI checks besides the tests: format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/everything ## put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/everything ## measure speed, memory and quality
	$(BIN)/python -m benchmarks

docs: .venv/everything ## write what is generated in docs/: commands, pictures, notebooks
	$(BIN)/python docs/write_cli.py
	$(BIN)/python docs/draw.py
	$(BIN)/python docs/render_notebooks.py

ensemble: .venv/everything ## train the ensemble that ships, from the bucket; resumable (hours; see ensemble.mk)
	$(MAKE) -f ensemble.mk

clean: ## remove the environment and what tools left behind
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/serving: pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --editable .
	@touch $@

.venv/everything: pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --editable '.[heic,training,ray,bench,dev]'
	@touch $@ .venv/serving

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null \
		|| { echo "Python is missing: install Python 3.11 or newer (Debian: apt install python3 python3-venv)." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is too old: install Python 3.11 or newer, then run make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python's venv module is missing: install it (Debian: apt install python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv .venv
