# Everything runs in one virtual environment, .venv, created on first use. `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TOOLS := .venv-release/bin
LOCK := $(TOOLS)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--upgrade --custom-compile-command 'make lock'

.PHONY: help run monitor test check format bench docs ensemble lock audit wheel sbom clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

run: .venv/serving ## serve the web UI on http://127.0.0.1:7860
	$(BIN)/python -m apps.ui

monitor: .venv/serving ## serve the monitor of NASA's picture of the day on http://127.0.0.1:7860
	$(BIN)/python -m apps.monitor

test: .venv/everything ## run all tests
	$(BIN)/python -m pytest

check: .venv/everything ## check format, lint and types, as CI does before the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/everything ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/everything ## measure speed, memory and quality
	$(BIN)/python -m benchmarks

docs: .venv/everything ## write the generated pages in docs/: commands, API reference, pictures, notebooks
	$(BIN)/python docs/write_cli.py
	$(BIN)/python docs/write_api.py
	$(BIN)/python docs/draw.py
	$(BIN)/python docs/render_notebooks.py

ensemble: .venv/everything ## train the next bundled models from the bucket (many hours; can be interrupted and resumed)
	$(MAKE) -f recipes/shipped_models.mk

lock: $(TOOLS)/uv ## pin the newest allowed version of every requirement, with hashes
	$(LOCK) --all-extras pyproject.toml -o requirements/everything.txt
	$(LOCK) --constraint requirements/everything.txt --extra heic pyproject.toml -o requirements/serving.txt
	$(LOCK) --constraint requirements/everything.txt --group build -o requirements/build.txt
	$(LOCK) --constraint requirements/everything.txt --group release -o requirements/release.txt

audit: $(TOOLS)/uv ## look up known vulnerabilities of all locked packages (asks pypi.org)
	$(TOOLS)/pip-audit --strict --disable-pip --require-hashes -r requirements/everything.txt -r requirements/release.txt

wheel: $(TOOLS)/uv ## build the wheel into dist/
	$(TOOLS)/python -m build --no-isolation --wheel

sbom: $(TOOLS)/uv ## write dist/sbom.cdx.json, the CycloneDX bill of materials of serving
	@mkdir -p dist
	$(TOOLS)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o dist/sbom.cdx.json \
		requirements/serving.txt

clean: ## remove environments, builds and caches
	rm -rf .venv .venv-release build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Install from the locks only: they have the hash of every file. Build tools come first.
define INSTALL
$(PIP) install --quiet --require-hashes -r requirements/build.txt
$(PIP) install --quiet --require-hashes --no-build-isolation -r $<
$(PIP) install --quiet --no-build-isolation --no-deps --editable .
endef

.venv/serving: requirements/serving.txt pyproject.toml | $(BIN)/python
	$(INSTALL)
	@touch $@

.venv/everything: requirements/everything.txt pyproject.toml | $(BIN)/python
	$(INSTALL)
	@touch $@ .venv/serving

$(TOOLS)/uv: requirements/release.txt requirements/build.txt
	$(PYTHON) -m venv --clear .venv-release
	$(TOOLS)/python -m pip --disable-pip-version-check install --quiet $(addprefix --requirement ,$^) --require-hashes
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null \
		|| { echo "Python is missing: install Python 3.11 or newer (Debian: apt install python3 python3-venv)." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is too old: install Python 3.11 or newer, then run make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python's venv module is missing: install it (Debian: apt install python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv .venv
