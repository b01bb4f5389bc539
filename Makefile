# The commands of the house. Each installs what it lacks.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)

# Parameters: make soak MINUTES=120, make fuzz SECONDS=600.
MINUTES ?= 10
SECONDS_EACH ?= 60

.PHONY: help setup build demo test bench soak fuzz fmt lint deny

help:
	@echo "make demo    the main job, end to end, on this machine"
	@echo "make test    every test"
	@echo "make bench   load, footprint, speed of the parts"
	@echo "make soak    endurance, for MINUTES=$(MINUTES)"
	@echo "make fuzz    every fuzz target, for SECONDS_EACH=$(SECONDS_EACH)"
	@echo "make lint    format, clippy, licences"

setup:
	@tests/setup.sh

build: setup
	$(CARGO) build --release --locked -p botswain -p botswain-agent -p botswain-tests --bins

demo: build
	@exec $(TARGET)/release/demo $(ARGS)

test: setup
	@tests/test.sh

lint: fmt
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(MAKE) deny

fmt:
	$(CARGO) fmt --all --check

deny:
	@tests/deny.sh

bench: build
	@tests/bench.sh

soak: build
	@MINUTES=$(MINUTES) tests/soak.sh

fuzz:
	@SECONDS_EACH=$(SECONDS_EACH) tests/fuzz.sh
