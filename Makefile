# Everything a person or CI does with this project. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp
SEEDS ?= 300
SEED ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long check format docs bench simulate lock clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1|/' | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

$(STAMP): requirements-dev.lock pyproject.toml tools/prerequisites.sh
	@PYTHON=$(PYTHON) tools/prerequisites.sh python
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

setup: $(STAMP) ## Make .venv with the locked dependencies

demo: $(STAMP) ## Run the main job on the embedded broker and the simulator
	@$(BIN)/vcd-bridge demo

test: $(STAMP) ## All tests but the long ones (real Kafka; needs Java 17 and Maven)
	@tools/prerequisites.sh java
	@$(BIN)/python -m pytest

test-long: $(STAMP) ## The tests that take minutes
	@tools/prerequisites.sh java
	@$(BIN)/python -m pytest -m long

check: $(STAMP) ## Format, lint, types, import contracts, stale documents
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy bridge tests tools benchmarks
	@$(BIN)/lint-imports
	@$(BIN)/python tools/draw_architecture.py --check

format: $(STAMP) ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(STAMP) ## Draw the generated parts of the documents anew
	@$(BIN)/python tools/draw_architecture.py

bench: $(STAMP) ## Compare with the loop people write by hand (real Kafka)
	@tools/prerequisites.sh java
	@$(BIN)/python -m benchmarks.compare

simulate: $(STAMP) ## Deterministic simulation: SEEDS=n runs, or one SEED=n
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

lock: ## Resolve the dependencies anew (needs uv)
	@uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header -o requirements.lock pyproject.toml
	@uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --extra dev --extra build -c requirements.lock -o requirements-dev.lock pyproject.toml

clean: ## Remove what can be made again
	@rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
