# Everything runs from a clean clone with Python >= 3.11, make and git; nothing else is needed.
PYTHON ?= python3
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --no-input --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo lint test test-all chromium benchmark docs format clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | awk -F '\t' '{printf "  %-10s %s\n", $$1, $$2}'

setup: $(INSTALLED) ## create .venv with the package and its development tools

# torch goes in first and pinned, so that no other package pulls another build of it.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is older than Python 3.11; name a newer one: make setup PYTHON=python3.11" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt pip
	$(PIP) install --quiet --constraint constraints.txt torch
	$(PIP) install --quiet --constraint constraints.txt --editable . --group dev
	@touch $@

demo: $(INSTALLED) ## run the main job on embedded real data; ends with the path of the report
	$(BIN)/gpjepa demo --out demo-run --force

lint: $(INSTALLED) ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## lint and the fast tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow and not browser" -n $(WORKERS) -q

test-all: lint chromium ## every test, the slow and the browser ones too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -q

chromium:
	@command -v chromium >/dev/null || { \
	  as_root=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$as_root apt-get update -qq && $$as_root apt-get install -y -qq chromium; }

BENCHMARK ?= speed
benchmark: $(INSTALLED) ## speed; BENCHMARK=gears-split or cell-eval beside others (installs 1 GB)
	$(BIN)/python -m benchmarks $(BENCHMARK)

docs: $(INSTALLED) ## links resolve, tutorials run
	$(BIN)/python -m pytest -q tests/docs

format: $(INSTALLED) ## rewrite the sources in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove everything that was made, .venv too
	rm -rf $(VENV) .cache/benchmarks demo-run dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
