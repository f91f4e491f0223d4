# Development tasks. `make` alone lists them. Needed: Python 3.10 to 3.13 and make; nothing else.
# Several environments under .venv/, because the Singer SDK and Meltano need different SQLAlchemy
# versions and Airflow must be seen to work without the Singer SDK. Exact versions: constraints*.txt.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
#: Further arguments for pytest, e.g. make test ARGS="-k paging -x".
ARGS ?=
#: Tests that run at the same time.
WORKERS ?= 2
#: Set to 1 to let a suite without any test pass. One filtered by ARGS may always be empty.
EMPTY_OK ?=

# uv from the PATH, else fetched by pip into .venv/uv.
UV ?= $(or $(shell uv --version >/dev/null 2>&1 && command -v uv),.venv/uv/bin/uv)
# Use the Python that was found; never download another one.
export UV_PYTHON_DOWNLOADS = never
# Programs start twice as fast, and the tests start hundreds.
export UV_COMPILE_BYTECODE = 1
# Trust the certificates that the machine trusts, as pip does: a proxy may have its own.
export UV_SYSTEM_CERTS ?= true

DEV := .venv/dev/bin
AIRFLOW := .venv/airflow/bin
AIRFLOW_2 := .venv/airflow2/bin
MELTANO := .venv/meltano/bin
DOCS := .venv/docs/bin

DEV_STAMP := .venv/dev/.installed
AIRFLOW_STAMP := .venv/airflow/.installed
AIRFLOW_2_STAMP := .venv/airflow2/.installed
MELTANO_STAMP := .venv/meltano/.installed
DOCS_STAMP := .venv/docs/.installed
PLUGINS_STAMP := .meltano/.installed
ENVIRONMENTS := $(DEV_STAMP) $(AIRFLOW_STAMP) $(MELTANO_STAMP) $(PLUGINS_STAMP)

# $(call pytest,ENVIRONMENT,ARGUMENTS): exit code 5 of pytest means that no test was selected.
define pytest
$(1)/python -m pytest $(2) $(ARGS) || { code=$$?; [ $$code -eq 5 ] && [ -n '$(subst ','\'',$(ARGS))$(EMPTY_OK)' ]; }
endef

.PHONY: help
help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(ENVIRONMENTS) ## Run the whole story: Bigin to DuckDB and back, Meltano and Airflow
	$(DEV)/python demo/run.py $(ARGS)

.PHONY: test
test: $(DEV_STAMP) $(AIRFLOW_STAMP) ## The default suite
	$(call pytest,$(DEV),tests --ignore=tests/airflow -n $(WORKERS) -m "not slow and not meltano and not airflow")
	$(call pytest,$(AIRFLOW),tests/airflow -n $(WORKERS) -m "not slow and not airflow")

.PHONY: test-slow
# These mostly wait for replies and for programs, the histories of loads most of all.
test-slow: $(DEV_STAMP) $(MELTANO_STAMP) $(PLUGINS_STAMP) ## Large, long and Meltano tests
	$(call pytest,$(DEV),tests --ignore=tests/airflow --ignore=tests/load/test_histories.py -n $$((2 * $(WORKERS))) -m "slow and not meltano")
	$(call pytest,$(DEV),tests/load/test_histories.py -n $$((8 * $(WORKERS))) -m "slow and not meltano")
	$(call pytest,$(DEV),tests --ignore=tests/airflow -n $(WORKERS) -m "meltano")

.PHONY: test-airflow
test-airflow: $(AIRFLOW_STAMP) ## Airflow as people run it: executors, workers, browser; then 2.11
	$(call pytest,$(AIRFLOW),tests/airflow -m "slow or airflow")
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then \
	  $(MAKE) --no-print-directory test-airflow-2; \
	else echo "Airflow 2.11 does not run on this Python: not tested"; fi

.PHONY: test-airflow-2
test-airflow-2: $(AIRFLOW_2_STAMP) ## Hook, operators, sensors, form and examples on Airflow 2.11
	$(call pytest,$(AIRFLOW_2),$(addprefix tests/airflow/test_,airflow_2.py hook.py records.py load.py mirror.py waiting.py extract.py failures.py pages.py observability.py examples.py) -n $(WORKERS) -m "not slow and not airflow" -W ignore)

.PHONY: lint
lint: $(DEV_STAMP) ## Style, format and import rules
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .
	$(DEV)/lint-imports

.PHONY: format
format: $(DEV_STAMP) ## Put the code into the project's format
	$(DEV)/ruff check --fix-only --quiet .
	$(DEV)/ruff format .

.PHONY: types
types: $(DEV_STAMP) $(AIRFLOW_STAMP) ## mypy --strict; the Airflow provider where Airflow is
	$(DEV)/mypy bigin_client tap_bigin target_bigin
	$(DEV)/mypy demo/*.py .ci/*.py
	$(AIRFLOW)/mypy airflow_provider_bigin

.PHONY: check
check: lint types ## lint and types

.PHONY: test-release
test-release: $(UV) ## Wheel and sdist: each extra alone in a clean environment (ARGS=--all: each Python)
	$(PYTHON) .ci/release.py --uv $(UV) $(ARGS)

.PHONY: docs
docs: $(DOCS_STAMP) ## Build the documentation's site into output/site
	NO_MKDOCS_2_WARNING=1 $(DOCS)/mkdocs build --strict --quiet $(ARGS)

.PHONY: bench
bench: $(DEV_STAMP) $(AIRFLOW_STAMP) $(DOCS_STAMP) ## Run the benchmarks; tables and plots into output/bench
	$(DEV)/python benchmarks/run.py --plot-with $(DOCS)/python $(ARGS)

.PHONY: licences
licences: $(DEV_STAMP) $(AIRFLOW_STAMP) $(DOCS_STAMP) ## Write docs/licences.md from the packages' metadata
	$(DOCS)/python .ci/licences.py .venv/dev .venv/airflow

.PHONY: audit
audit: $(DOCS_STAMP) ## Known vulnerabilities of the exact versions (asks osv.dev)
	@$(DOCS)/python -c 'import requests; requests.head("https://api.osv.dev", timeout=30)' 2>/dev/null || \
	  { echo "Not audited: https://api.osv.dev cannot be reached from here." >&2; exit 1; }
	$(DOCS)/pip-audit --vulnerability-service osv --no-deps --disable-pip --requirement constraints.txt

.PHONY: environments
environments: $(ENVIRONMENTS) ## Make the environments under .venv/ and the Meltano plugins

.PHONY: constraints
constraints: $(UV) ## Resolve the exact versions anew (UPGRADE=1 takes the newest)
	UV=$(UV) UPGRADE=$(UPGRADE) bash .ci/constraints

.PHONY: clean
clean: ## Remove what runs leave behind, but not the environments
	rm -rf build dist output .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -not -path './.meltano/*' -prune -exec rm -rf {} +

.PHONY: clean-all
clean-all: clean ## Remove the environments too
	rm -rf .venv .meltano

# --- environments: brought up to date when what they are made from changes ------------------

.venv/uv/bin/uv: constraints-meltano.txt
	$(PYTHON) -m venv .venv/uv
	.venv/uv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-meltano.txt uv
	@touch $@

$(DEV_STAMP): pyproject.toml constraints.txt | $(UV)
	[ -x $(DEV)/python ] || $(UV) venv --quiet --clear --python $(PYTHON) .venv/dev
	$(UV) pip install --quiet --python $(DEV)/python -c constraints.txt -e '.[singer,parquet,redis]' --group dev
	@touch $@

$(AIRFLOW_STAMP): pyproject.toml constraints.txt | $(UV)
	[ -x $(AIRFLOW)/python ] || $(UV) venv --quiet --clear --python $(PYTHON) .venv/airflow
	$(UV) pip install --quiet --python $(AIRFLOW)/python -c constraints.txt -e '.[airflow,parquet,redis]' --group airflow
	@touch $@

$(AIRFLOW_2_STAMP): pyproject.toml constraints-airflow2.txt | $(UV)
	[ -x $(AIRFLOW_2)/python ] || $(UV) venv --quiet --clear --python $(PYTHON) .venv/airflow2
	$(UV) pip install --quiet --python $(AIRFLOW_2)/python -c constraints-airflow2.txt -e '.[airflow,parquet,redis]' --group test
	@touch $@

# Made when it is first needed: only documents, benchmarks and audits do.
$(DOCS_STAMP): pyproject.toml constraints.txt | $(UV)
	[ -x $(DOCS)/python ] || $(UV) venv --quiet --clear --python $(PYTHON) .venv/docs
	$(UV) pip install --quiet --python $(DOCS)/python -c constraints.txt -e '.[singer]' --group docs --group bench --group audit
	@touch $@

$(MELTANO_STAMP): constraints-meltano.txt | $(UV)
	[ -x $(MELTANO)/python ] || $(UV) venv --quiet --clear --python $(PYTHON) .venv/meltano
	$(UV) pip install --quiet --python $(MELTANO)/python -c constraints-meltano.txt meltano
	@touch $@

# With an id from the environment, Meltano does not write one into the checkout's meltano.yml.
$(PLUGINS_STAMP): meltano.yml pyproject.toml constraints.txt constraints-plugins.txt $(wildcard meltano/constraints-*.txt) $(MELTANO_STAMP)
	MELTANO_CLI_DISABLE_VERSION_CHECK=1 MELTANO_PROJECT_ID=bigin-connectors $(MELTANO)/meltano --log-level=warning install
	@touch $@
