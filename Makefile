# Everything a developer or a build machine does, by name. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test test-alerts test-rust test-e2e lint fmt regenerate bench \
	cluster-up cluster-down cluster-status cluster-kill-primary cluster-switchover cluster-partition \
	cluster-rejoin test-cluster test-cluster-smoke test-backup test-backup-smoke test-millions test-night drill

# `dev` compiles fastest, which is what a first start waits for, and is what the tests use, so that
# `make run` and `make test` share most of their work: what they depend on, not the program itself,
# which tests have with everything in it. For real speed: make run PROFILE=release
PROFILE ?= dev

# The same wherever tests build the program, so that they build it once.
TESTED = --features stagedoor/otel

# A checkout of https://github.com/RustSec/advisory-db; without it advisories are skipped.
ADVISORY_DB ?=
export ADVISORY_DB

# Arguments for the program: make run ARGS='--listen 127.0.0.1:8081'
ARGS ?=

# A lab of another name and with other ports: make cluster-up NAME=mine OFFSET=1000
# With a network for each node, as root: make cluster-up NAMESPACES=1
NAME ?= cluster
OFFSET ?= 0
NAMESPACES ?=

# pgBackRest's configuration of this machine: make drill CONFIG=/etc/pgbackrest/pgbackrest.conf
CONFIG ?=

TARGET := $(or $(CARGO_TARGET_DIR),target)
BINARY := $(abspath $(TARGET))/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/stagedoor

help: ## list these targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

run: ## build and start everything with sample concerts; prints the addresses
	scripts/install-packages.sh run
	cargo build --locked --package stagedoor --profile $(PROFILE)
	exec $(BINARY) demo $(ARGS)

test: ## all checks: format, lints, alerts, Rust tests, browser tests, a failover, a restore
	scripts/install-packages.sh test
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory test-alerts
	$(MAKE) --no-print-directory test-rust
	$(MAKE) --no-print-directory test-e2e
	$(MAKE) --no-print-directory test-cluster-smoke
	$(MAKE) --no-print-directory test-backup-smoke

test-rust: ## the Rust tests; they start a private PostgreSQL
	cargo test --locked --workspace $(TESTED)

test-e2e: ## the browser tests, on the installed Chromium
	cargo build --locked --package stagedoor $(TESTED)
	cd tests/e2e && npm ci --no-audit --no-fund --silent
	cd tests/e2e && STAGEDOOR_TEST_BINARY=$(abspath $(TARGET))/debug/stagedoor npm test --silent

lint: ## format check, clippy, licences and advisories of dependencies
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	cargo clippy --locked --package stagedoor --lib --bins -- -D warnings
	scripts/check-dependencies.sh

test-alerts: ## Prometheus's alert rules fire when they should, and not otherwise
	promtool check rules ops/prometheus/*.rules.yml
	promtool test rules ops/prometheus/*.test.yml
	promtool check config ops/prometheus/prometheus.example.yml
	scripts/check-alerts.py
	ops/grafana/make.py --check

fmt: ## format all Rust code
	cargo fmt --all

regenerate: ## rewrite what is derived and committed: typed statements, schema, API document
	cargo run --locked --package xtask -- regenerate
	STAGEDOOR_TEST_UPDATE=1 cargo test --locked --package stagedoor --test it document::the_committed

bench: ## measure against the plain way and write docs/performance.md; ARGS=--quick: some minutes
	cargo build --locked --release --package bench
	$(abspath $(TARGET))/release/bench --output docs/performance.md $(ARGS)

test-millions: ## the common queries with 5 million reservations; writes its section of docs/performance.md
	STAGEDOOR_TEST_UPDATE=1 cargo test --locked --release --package stagedoor --test it \
		-- --ignored --nocapture five_million_reservations

test-night: ## a bad night, as root: faults, Prometheus, its alerts; writes its log into docs/operations.md; some 20 minutes
	scripts/install-packages.sh test
	STAGEDOOR_TEST_UPDATE=1 cargo test --locked --package stagedoor --test it \
		-- --ignored --nocapture a_bad_night

CLUSTER = ops/cluster/cluster.py --name $(NAME) --offset $(OFFSET) $(if $(NAMESPACES),--namespaces) --binary $(BINARY)

cluster-up: ## three database nodes under Patroni, HAProxy and two servers on this machine
	scripts/install-packages.sh cluster
	cargo build --locked --package stagedoor --profile $(PROFILE)
	$(CLUSTER) up

cluster-down: ## end the lab and remove its files
	$(CLUSTER) down

cluster-status: ## who is primary, who follows, and whether the shop sells
	$(CLUSTER) status

cluster-kill-primary: ## kill -9 of all processes of the primary's node
	$(CLUSTER) kill-primary

cluster-switchover: ## make a standby the primary
	$(CLUSTER) switchover

cluster-partition: ## cut the primary off; needs a lab with NAMESPACES=1
	$(CLUSTER) partition

cluster-rejoin: ## start, join and wake what the targets above broke
	$(CLUSTER) rejoin

test-cluster: ## break a lab under load in every way; writes its section of docs/performance.md; some 10 minutes
	scripts/install-packages.sh cluster
	cargo build --locked --package stagedoor --profile $(PROFILE)
	ops/cluster/trial.py --binary $(BINARY) --document docs/performance.md $(ARGS)

test-cluster-smoke: ## the same with two faults and ten times the time, as in `make test`
	scripts/install-packages.sh cluster
	cargo build --locked --package stagedoor $(TESTED)
	ops/cluster/test_lab.py
	ops/cluster/trial.py --name smoke --loopback --faults switchover,node-death --patience 10 \
		--binary $(abspath $(TARGET))/debug/stagedoor

test-backup: ## drop a table, burn a machine, restore both under load; writes docs/restore.md; some 6 minutes
	scripts/install-packages.sh backup
	cargo build --locked --package stagedoor --profile $(PROFILE)
	ops/backup/trial.py --binary $(BINARY) --document docs/restore.md $(ARGS)

test-backup-smoke: ## the same in a minute, as in `make test`
	scripts/install-packages.sh backup
	cargo build --locked --package stagedoor $(TESTED)
	ops/backup/test_lab.py
	ops/backup/trial.py --smoke --name backupsmoke --binary $(abspath $(TARGET))/debug/stagedoor

# Root may not restore; PostgreSQL's user may seldom build.
AS_POSTGRES = $(if $(filter 0,$(shell id -u)),runuser -u postgres --)

drill: ## a restore drill in a lab, or of this machine with CONFIG=/etc/pgbackrest/pgbackrest.conf
	$(if $(CONFIG),,scripts/install-packages.sh backup)
	cargo build --locked --package stagedoor --profile $(PROFILE)
	$(if $(CONFIG),$(AS_POSTGRES) env STAGEDOOR_BACKUP_CONFIG=$(CONFIG) $(BINARY) backup drill $(ARGS),ops/backup/drill.py --binary $(BINARY))
