# The whole contributor interface. Every target sets up what it needs by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
# Every process of a portal would compile all that it imports anew, and every model worker scikit-learn.
unexport PYTHONDONTWRITEBYTECODE

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

run: setup  ## the portal, in the foreground
	@exec $(BIN)/python manage.py portal

setup: $(VENV)/ready-$(shell cat requirements.lock | cksum | cut -d' ' -f1)  ## only the environment, into .venv

$(VENV)/ready-%: requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked dependencies into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@rm -f $(VENV)/ready-* && touch $@

setup-dev: setup $(VENV)/dev-$(shell cat requirements-dev.lock | cksum | cut -d' ' -f1)

$(VENV)/dev-%: requirements-dev.lock
	@echo "Installing the tools of development …"
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes --requirement requirements-dev.lock
	@rm -f $(VENV)/dev-* && touch $@

test: setup-dev  ## every test
	@$(BIN)/python -m tests.machine
	@$(BIN)/pytest -n 4 --dist loadscope --no-loadscope-reorder $(ARGS)

fuzz: setup-dev  ## the API against what nobody thought of, FUZZ_SECONDS (600) for each of four callers
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-600} $(BIN)/pytest tests/api/test_fuzz.py

lint: setup-dev  ## format, lint, types, migrations, settings
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/python manage.py check --fail-level WARNING
	@$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

demo: setup  ## the article, from submit to prediction, told step by step
	@$(BIN)/python manage.py demo

bench: setup-dev  ## the figures of the main job and of the client
	@short=0; for name in main_job sdk; do $(BIN)/python -m benchmarks.$$name || short=1; done; exit $$short

bench-table: setup-dev  ## how long the table of 100,000 runs takes, by filter and order
	@short=0; for store in sqlite postgresql; do $(BIN)/python -m benchmarks.runs_table 100000 $$store || short=1; done; exit $$short

bench-tracking: setup-dev  ## the figures of tracking, beside `mlflow server`
	@short=0; for name in tracking growth; do $(BIN)/python -m benchmarks.$$name || short=1; done; exit $$short

bench-serving: setup-dev  ## the figures of serving, beside MLServer, BentoML and others; needs wrk
	@$(BIN)/python -m benchmarks.serving $(ARGS)

vendor:  ## renew the front-end libraries in static/vendor
	@sh static/vendor/update.sh

lock: setup-dev  ## renew requirements.lock and requirements-dev.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
		--python-version 3.11 --upgrade pyproject.toml --output-file requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
		--python-version 3.11 --upgrade pyproject.toml --group dev --constraints requirements.lock --output-file requirements-dev.lock

.PHONY: help run setup setup-dev test fuzz lint demo bench bench-table bench-tracking bench-serving vendor lock
