# The doors of Storeloop. `make` alone lists them; each makes what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-full check bench ui serve lock licences clean
unexport PYTHONDONTWRITEBYTECODE # without bytecode every start is two to four times slower

PY := .venv/bin/python
BOT ?= forecaster
WORKERS ?= 2
# shared out as tests/conftest.py says, in its order
TESTS = $(PY) -m pytest -n $(WORKERS) --no-loadscope-reorder --durations=10
NEEDS_TOOLS := services or broker or browser or container or spark or streams or realdata

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## .venv from requirements.lock, hashes checked (all other targets call it)
	@.ci/setup

demo: setup ## tables -> gate -> features -> model -> registry -> packaged champion, on generated data
	@.venv/bin/storeloop demo

test: setup ## all tests that need no server, browser, container, Java or real data
	$(TESTS) -m "not ($(NEEDS_TOOLS))"

test-full: setup ## those too; what is absent is skipped with its reason (CI=true: fails)
	$(TESTS)

check: setup ## lint, format, types, imports one way, shape of the tree
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PY) -m pytest -q tests/test_tree.py

bench: setup ## figures beside baselines and peers -> tests/bench/results.md, README (resumable; ARGS="--fresh --only ROW")
	$(PY) tests/bench/runner.py $(ARGS)

ui: setup ## Dagster, MLflow and the validation site on loopback addresses
	@.venv/bin/storeloop ui

serve: setup ## serve a bot: make serve BOT=forecaster
	@.venv/bin/storeloop serve $(BOT)

lock: setup ## resolve pyproject.toml into requirements.lock (keeps pins that still fit; ARGS=--upgrade renews all)
	source .ci/registry.sh && .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 --all-extras \
		--custom-compile-command "make lock" $(ARGS) pyproject.toml -o requirements.lock
	@.ci/setup

licences: setup ## licence table of the direct dependencies, in README.md
	$(PY) .ci/licences.py

clean: ## remove caches and .storeloop (lake, registry, releases); .venv stays
	rm -rf .storeloop .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
