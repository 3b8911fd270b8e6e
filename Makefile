# Everything a developer or CI runs. `make` alone lists the targets.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# The interpreter (3.10 or newer) that .venv is made from.
PYTHON ?= python3
# The build that the demo runs: debug, or release (a much longer cold build).
PROFILE ?= debug
# Holds the servers, boto3 and the other Python-packaged tools.
VENV := .venv
RUN := $(VENV)/bin/python

CARGO_PROFILE := $(if $(filter release,$(PROFILE)),--release)

ifeq ($(CI),true)
export CARGO_TERM_COLOR := never
export CARGO_TERM_PROGRESS_WHEN := never
export NO_COLOR := 1
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(VENV)/.servers ## make .venv with the pinned, hashed test servers
	@echo "$(VENV) is up to date"

# Each stamp is newer than the requirements it was installed from. A change of
# requirements.txt starts from an empty folder, and so drops the other stamps.
$(VENV)/.servers: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "$(PYTHON) is not Python 3.10 or newer; name one with PYTHON=..." >&2; exit 1; }
	rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "$(PYTHON) has no working venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	$(RUN) -m pip install --quiet --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.bench: requirements-bench.txt $(VENV)/.servers
	$(RUN) -m pip install --quiet --require-hashes -r requirements-bench.txt
	@touch $@

# Compiled from its source, without optimisation: that takes minutes, once.
CARGO_DENY := 0.20.2
$(VENV)/bin/cargo-deny: $(VENV)/.servers
	cargo install --quiet --locked --debug --version $(CARGO_DENY) --root $(VENV) cargo-deny
	@touch $@

.PHONY: build
build: ## build the programs (PROFILE=release for optimised ones)
	cargo build --locked --workspace --bins $(CARGO_PROFILE)

.PHONY: demo
demo: $(VENV)/.servers build ## rename 1,000 objects on local servers, kill a worker on the way, prove the result
	$(RUN) scripts/demo.py --profile $(PROFILE)

.PHONY: test
test: $(VENV)/.servers ## run every test, with the local servers up
	cargo build --locked --workspace --bins
	$(RUN) scripts/with_servers.py -- env RUST_TEST_THREADS=6 cargo test --workspace --locked --no-fail-fast

# Random schedules of the simulation: which, and how many.
FROM ?= 0
COUNT ?= 1000000
.PHONY: soak
soak: ## play random schedules of the deterministic simulation (FROM=0 COUNT=1000000)
	cargo build --locked --release -p rebucket-tests --bin rebucket-soak
	target/release/rebucket-soak --from $(FROM) --count $(COUNT)

# How often each property is tried; 256 in `make test`.
CASES ?= 4096
.PHONY: fuzz
fuzz: ## try the properties of everything that is read from others for longer (CASES=4096)
	PROPTEST_CASES=$(CASES) cargo test --locked -p rebucket-tests --test fuzz

.PHONY: chaos
chaos: $(VENV)/.servers build ## rename 20,000 objects while 200 workers are killed, then audit (CHAOS="--objects 500 --kills 12")
	$(RUN) scripts/chaos.py --profile $(PROFILE) $(CHAOS)

.PHONY: permute
permute: $(VENV)/.servers build ## permute 20,000 objects, 30 % alike, while processes are killed (PERMUTE="--mode queue --kills 40"; a million of them with --simulator)
	$(RUN) scripts/permute.py --profile $(PROFILE) $(PERMUTE)

.PHONY: mutations
mutations: $(VENV)/.servers ## break each gate and pin in a scratch clone, and see a test fail (hours; Python 3.11)
	$(RUN) tests/mutations/run.py

.PHONY: lint
lint: lint-format lint-clippy lint-deny ## check the formatting, clippy, and the dependencies (ADVISORIES=1: known vulnerabilities too)

.PHONY: lint-format
lint-format:
	cargo fmt --all --check

.PHONY: lint-clippy
lint-clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Checking for known vulnerabilities needs the advisory database from the
# network, so only ADVISORIES=1 asks for it.
.PHONY: lint-deny
lint-deny: $(VENV)/bin/cargo-deny
	$(VENV)/bin/cargo-deny --locked check -D warnings bans licenses sources $(if $(filter 1,$(ADVISORIES)),advisories)

.PHONY: ci
ci: ## what CI runs: lint, then test
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory test

.PHONY: bench
bench: $(VENV)/.bench ## a first end-to-end figure: renames a second, beside s5cmd's mv
	cargo build --locked --workspace --bins --release
	$(RUN) scripts/bench.py

# How many rows the manifest has, and other arguments of the script.
ROWS ?= 1e6
.PHONY: bench-plan
bench-plan: $(VENV)/.bench bench-programs ## how fast planning is, beside sort and DuckDB (ROWS=1e7 BENCH="--turns 5"), then bench-submit
	$(RUN) scripts/bench_plan.py --rows $(ROWS) $(BENCH)
	$(RUN) scripts/bench_submit.py

.PHONY: bench-submit
bench-submit: $(VENV)/.servers bench-programs ## how fast submitting is, beside a bare SDK loop (BENCH="--turns 5")
	$(RUN) scripts/bench_submit.py $(BENCH)

.PHONY: bench-report
bench-report: $(VENV)/.servers bench-programs ## how fast a large report is read (ROWS=1e7 BENCH="--turns 1")
	$(RUN) scripts/bench_report.py --rows $(ROWS) $(BENCH)

# All with the same features as `make bench` builds, so that nothing is built twice.
.PHONY: bench-programs
bench-programs:
	cargo build --locked --workspace --bins --examples --release

.PHONY: clean
clean: ## remove .venv and everything that cargo built
	rm -rf $(VENV)
	cargo clean
