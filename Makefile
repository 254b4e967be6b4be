# The whole vocabulary of this repository. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test test-production model lint build package sample poison chaos tamper soak fuzz bench bench-against bench-core

# Each recipe reaches cargo through this: it installs what is missing, puts cargo on the path, then runs its arguments.
TOOLCHAIN := scripts/toolchain.sh

# What `make sample` writes. The same seed gives the same bytes.
SAMPLE ?= --devices 3 --rows 5000 --files 2 --error-rate 0.02 --seed 42

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build, then take data/ through the pipeline on SQLite (with a small sample the first time)
	@SAMPLE='$(SAMPLE)' scripts/demo.sh

test: ## run every test, PostgreSQL included
	@$(TOOLCHAIN) cargo test --workspace --locked --features failpoints

test-production: ## containers, Kubernetes, Airflow, monitoring, the package: each run for real (PRODUCTION_ONLY=container,airflow)
	@python3 tests/production/run.py

model: ## search every order of crashes, lapsed leases and deliveries, at length (minutes, up to 10 GB of memory)
	@$(TOOLCHAIN) cargo test --release --locked --test model -- --include-ignored --nocapture --test-threads 1

poison: ## 1000 good files among 50 of every poisonous kind, a million devices, a million windows; memory is measured
	@CARDINALITY=1000003 POISON_GOOD=1000 POISON_EACH=50 $(TOOLCHAIN) cargo test --release --locked --features failpoints \
	  --test it -- --nocapture --test-threads 1 poison:: cardinality::

chaos: ## kill the program 1000 times, count every line (CHAOS_KILLS=… per database, CHAOS_SEED=…)
	@$(TOOLCHAIN) cargo test --locked --features failpoints --test chaos -- --include-ignored --nocapture --test-threads 1

tamper: ## change something behind the program's back 500 times on each database, then 200 honest histories (TAMPER_TIMES=… TAMPER_HISTORIES=… TAMPER_SEED=…)
	@$(TOOLCHAIN) cargo test --locked --features failpoints --test tamper -- --include-ignored --nocapture --test-threads 1

bench: build ## measure against what else could be used; at full scale writes docs/performance.md (BENCH_SCALE=… BENCH_ONLY=…)
	@python3 bench/bench.py $${CARGO_TARGET_DIR:-target}/release/iotpipe

bench-against: build ## an earlier binary and this one by turns, over the rows of make bench (OLD=path/to/iotpipe)
	@python3 bench/against.py $(OLD) $${CARGO_TARGET_DIR:-target}/release/iotpipe

bench-core: ## micro-benchmarks of the core (BENCH="parse …" for some of them)
	@$(TOOLCHAIN) cargo bench --locked --package iotpipe-core --bench core -- $${BENCH:-}

fuzz: ## ten minutes of fuzzing per target (FUZZ_SECONDS=… FUZZ_TARGETS="parser …")
	@$(TOOLCHAIN) scripts/fuzz.sh

soak: build ## half an hour of files without pause; memory and file handles must stay flat (SOAK_MINUTES=…)
	@python3 scripts/soak.py $${SOAK_MINUTES:-30} $${CARGO_TARGET_DIR:-target}/release/iotpipe docs/soak.svg

lint: ## formatting, clippy, documentation, and the house rules of tests/tidy.rs
	@$(TOOLCHAIN) --lint cargo fmt --all --check
	@$(TOOLCHAIN) --lint cargo clippy --workspace --all-targets --locked -- -D warnings
	@RUSTDOCFLAGS="-D warnings" $(TOOLCHAIN) cargo doc --workspace --no-deps --locked
	@$(TOOLCHAIN) cargo test --quiet --locked --features failpoints --test tidy

build: ## build target/release/iotpipe
	@$(TOOLCHAIN) cargo build --release --locked

package: ## target/package: the static binary and the .deb with the systemd units
	@scripts/package.sh

sample: build ## write sample files with known defects into data/ (SAMPLE="--devices … --rows …")
	@$${CARGO_TARGET_DIR:-target}/release/iotpipe generate $(SAMPLE)
