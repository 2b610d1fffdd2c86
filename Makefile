# Everything a person does here: `make help`. Needs Python 3.11+ and make; the tests need Java 17 and Maven besides.

BIN := .venv/bin
STAMP := .venv/.setup-stamp
LOCK_BIN := .cache/lock/bin
UV_VERSION := 0.13.9

.DEFAULT_GOAL := help
ifndef SIDE_BY_SIDE
.NOTPARALLEL: # what is missing is said before anything is installed
endif
.PHONY: help setup demo test test-long check format bench fidelity simulate campaign docs lock clean kafka prerequisites \
	waiting computing

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  variables  ONLY=path-or-pattern (test, test-long)  ONLY=compare or external or notifications or observation or simulator (bench)  SEEDS=count FIRST=number SEED=number (simulate)  FAULT=name or pattern or part HOURS=count (campaign)"

setup: $(STAMP) ## make .venv from the hash-locked requirements; does nothing when nothing changed

# The project itself goes in without its dependencies: the lock has named them all, also what builds it.
$(STAMP): requirements-dev.lock pyproject.toml tools/prerequisites.sh
	@python=$$(tools/prerequisites.sh python) && \
	{ $(BIN)/python -c 'import pip' 2>/dev/null || "$$python" -m venv --clear .venv; }
	@echo "setup: installing requirements-dev.lock into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: $(STAMP) ## broker, simulator and bridge at work, killed and restarted, with the proof; no Java needed
	@$(BIN)/vcd-bridge demo

prerequisites:
	@tools/prerequisites.sh tests

kafka: prerequisites $(STAMP)
	@$(BIN)/python -m tools.fetch_test_parts

# What kills processes in narrow windows has the machine to itself. Of the others several files run side by side: three of
# those that wait for processes and brokers, and two of all others, which need the processor more and take what those
# leave of it. In this order, so that no long one comes last.
ALONE = tests/crash
WAITING = tests/system tests/cli tests/kafka tests/contracts tests/deploy tests/examples tests/campaign tests/vcd
COMPUTING = tests/simulation $(filter-out $(ALONE) $(WAITING) %/simulation %/__pycache__,\
	$(patsubst %/,%,$(wildcard tests/*/)) $(wildcard tests/test_*.py))
PYTEST = $(BIN)/python -m pytest --durations=12 --durations-min=5
BESIDE = --dist=loadfile --no-loadscope-reorder --numprocesses
COMPUTED = .cache/computing.log

test: export PYTHONDONTWRITEBYTECODE := # hundreds of processes are started: none compiles the bridge anew
test: kafka ## all tests that belong to every change, on a real Kafka
ifdef ONLY
	$(PYTEST) $(if $(wildcard $(ONLY)),$(ONLY),-k "$(ONLY)")
else
	@$(MAKE) --no-print-directory --jobs=2 SIDE_BY_SIDE=1 waiting computing
	$(PYTEST) $(ALONE)
endif

waiting:
	$(PYTEST) $(BESIDE) 3 $(WAITING)

computing: # shown as a whole, when it is over
	@nice -n 10 $(PYTEST) $(BESIDE) 2 $(COMPUTING) >$(COMPUTED) 2>&1; \
	code=$$?; cat $(COMPUTED); exit $$code

test-long: kafka ## the tests that take minutes
	$(BIN)/python -m pytest -m long $(if $(ONLY),$(if $(wildcard $(ONLY)),$(ONLY),-k "$(ONLY)"))

fidelity: kafka ## hold simulator and client to what others wrote; keeps the results for docs/fidelity.md
	$(BIN)/python -m tools.prove_fidelity
	$(BIN)/python -m tools.write_documents

simulate: $(STAMP) ## the whole bridge in virtual time under many seeds, on all cores; SEED= tells the story of one
	$(BIN)/python -m tools.simulate $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FIRST),--first $(FIRST)) $(if $(SEED),--seed $(SEED))

campaign: kafka ## inject faults into real processes on a real Kafka, a line for each; keeps them for docs/faults.md
	$(BIN)/python -m tests.campaign $(foreach one,$(FAULT),'$(one)') $(if $(HOURS),--hours $(HOURS)) $(if $(LIST),--list)

bench: kafka ## the bridge against a hand-written loop on the real Kafka, and the simulator
	$(BIN)/python -m benchmarks $(ONLY)

check: $(STAMP) ## format, lint, types, import contracts, purity of the core, lengths, named proofs, generated documents
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy bridge tests tools examples $(wildcard benchmarks)
	$(BIN)/lint-imports --cache-dir .cache/import_linter
	$(BIN)/python -m tools.check_code
	$(BIN)/python -m tools.check_proofs
	$(BIN)/python -m tools.write_documents --check

format: $(STAMP) ## rewrite the code as `make check` wants it
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --fix --quiet .

docs: $(STAMP) ## write the generated parts of docs/ anew
	$(BIN)/python -m tools.write_documents

lock: ## resolve the requirements again; UPGRADE=1 moves to newer versions
	@python=$$(tools/prerequisites.sh python) && { [ -x $(LOCK_BIN)/python ] || "$$python" -m venv .cache/lock; }
	@$(LOCK_BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(LOCK_BIN)/uv pip compile pyproject.toml $(LOCK_FLAGS) --output-file requirements.lock
	$(LOCK_BIN)/uv pip compile pyproject.toml --group dev --constraint requirements.lock $(LOCK_FLAGS) \
		--output-file requirements-dev.lock
	$(LOCK_BIN)/uv pip compile --group build --constraint requirements-dev.lock $(LOCK_FLAGS) \
		--output-file requirements-build.lock

LOCK_FLAGS = --quiet --universal --python-version 3.11 --generate-hashes --annotation-style line \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

clean: ## remove what the other targets made, the fetched Kafka included
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
