# Two commands matter on a new machine: `make run` and `make test`. `make help` lists the others.

ARGS ?=
KERNELS ?=
VENV ?= .venv
PREFIX ?= /opt/qtap-tui
BINDIR ?= /usr/local/bin
# Capture needs root. Where there is no sudo either, the program says so itself, in one sentence with the remedy.
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
export VENV PYTHON PREFIX BINDIR SUDO ARGS

.NOTPARALLEL:
.PHONY: help setup run demo test test-kernels lint fuzz pythons matrix bench lock install uninstall clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1 \2/p' Makefile | while read -r make target text; do printf '%s %-14s%s\n' "$$make" "$$target" "$$text"; done

setup: ## install what `make run` and `make test` need, and start nothing
	@.ci/setup test

run: ## start the screen on live capture; ARGS="--pid 1234" passes options
	@.ci/setup run
	@$(SUDO) $(VENV)/bin/qtap-tui $(ARGS)

demo: ## start the screen on the sample capture; needs neither root nor BCC
	@.ci/setup demo
	@$(VENV)/bin/qtap-tui --demo $(ARGS)

test: lint ## pass everything: lint, types, walls, unit tests, snapshots and live tests; ARGS="-k name" selects
	@.ci/test $(ARGS)

test-kernels: ## run the live tests on Debian's other kernels, under qemu; KERNELS=6.1 ARGS="-k name" selects
	@.ci/setup kernels
	@$(VENV)/bin/python -m tests.kernels $(KERNELS) -- $(ARGS)

lint: ## check style, formatting, types and import walls
	@.ci/setup test
	@$(VENV)/bin/ruff check --quiet
	@$(VENV)/bin/ruff format --check --quiet
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo --no-cache

fuzz: ## look for inputs that break the parsers, a hundred times longer than `make test` does
	@.ci/setup test
	@$(VENV)/bin/python -m pytest -m hypothesis --hypothesis-profile=fuzz $(ARGS)

pythons: ## run the tests that need no kernel on every Python from 3.11 that this host has
	@.ci/pythons

matrix: ## capture every client and server of the proof matrix, and write docs/coverage.md; ARGS="curl go" selects and writes nothing
	@.ci/setup matrix
	@$(SUDO) $(VENV)/bin/python -m tests.live.matrix $(or $(ARGS),--write)

bench: ## measure the load on the host and the speed of the program, into docs/benchmarks.md
	@.ci/setup bench
	@$(SUDO) $(VENV)/bin/python -m bench $(ARGS)

lock: ## choose the newest versions that pyproject.toml allows and write them down
	@.ci/setup test
	@.ci/lock

install: ## install for all users: sudo qtap-tui then runs from anywhere
	@.ci/setup run
	@.ci/install

uninstall: ## remove what `make install` put there
	@.ci/install --remove

clean: ## remove everything that these targets made in the checkout
	@rm -rf .venv .venv-* dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache snapshot_report.html core/qtap/capture/java/agent.jar
	@find core tui tests bench -name __pycache__ -prune -exec rm -rf {} +
