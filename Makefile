# SPDX-License-Identifier: Apache-2.0

# `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

COLLECTOR_VERSION := v0.161.0
GOLANGCI_LINT_VERSION := v2.12.2

# Compiled dependencies and tools live outside the checkout: they take long and outlive it.
export CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/otapbridge
export CARGO_TARGET_DIR ?= $(CACHE)/target
TOOLS := $(CACHE)/tools

PREFIX ?= /usr/local
DESTDIR ?=

SYSO := capi/internal/link/otapbridge_linux_amd64.syso
STATIC_LIBRARY := $(CARGO_TARGET_DIR)/release/libotapbridge_library.a
XTASK := $(CARGO_TARGET_DIR)/release/otapbridge-xtask
CONTEXT_MIRROR := $(CARGO_TARGET_DIR)/release/otapbridge-context-mirror
VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' rust/Cargo.toml)

BUILDER := $(TOOLS)/builder-$(COLLECTOR_VERSION)/builder
TELEMETRYGEN := $(TOOLS)/telemetrygen-$(COLLECTOR_VERSION)/telemetrygen
GOLANGCI_LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint
PYTHON_REQUIREMENTS := tests/python/requirements.txt
PYTHON_ENVIRONMENT := $(TOOLS)/python-$(shell sha256sum $(PYTHON_REQUIREMENTS) 2>/dev/null | cut -c1-12)
PYTHON := $(PYTHON_ENVIRONMENT)/bin/python

RUST_SOURCES := cbindgen.toml $(shell find rust -type f \( -name '*.rs' -o -name 'Cargo.*' -o -name '*.toml' \) -not -path '*/tests/*' -not -path 'rust/target/*' -not -path 'rust/*/fuzz/*' -not -path 'rust/engine/loom/*')
COMPARISON := tests/comparison
CUSTOM := examples/custom-node
CUSTOM_SYSO := $(CUSTOM)/link/otapbridge_linux_amd64.syso
CUSTOM_SOURCES := $(shell find $(CUSTOM) -maxdepth 2 -type f \( -name '*.rs' -o -name Cargo.toml -o -name '*.go' -o -name go.mod -o -name manifest.yaml \) -not -path '*/_build/*')
CUSTOM_CARGO_FLAGS := --release --features otapbridge-workspace
GO_SOURCES := go.mod go.sum include/otapbridge.h $(shell find capi cbridge include internal -type f \( -name '*.go' -o -name '*.c' -o -name '*.h' \) -not -name '*_test.go' 2>/dev/null)

# tests/ drives finished programs; these are the packages themselves.
PACKAGES := ./capi/... ./cbridge/... ./include/... ./internal/...
GO_TEST := CGO_ENABLED=1 go test -count=1 -timeout=20m
CARGO := cargo
say = @printf '\n==> %s\n' "$(1)"

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- build ------------------------------------------------------------------

.PHONY: build library collector
build: collector ## Build everything: the Rust library, then bin/otapcol.
library: $(SYSO) ## Build the Rust library into the object that Go links.
collector: bin/otapcol ## Build bin/otapcol, the collector of cmd/otapcol/manifest.yaml.

# The engine has one profile and one feature set: another would compile it once more.
# Another checkout may use the same cache folder: the lock keeps its build out from
# between the two steps.
$(SYSO): $(RUST_SOURCES) include/otapbridge.h | build-prerequisites
	$(call say,Building the Rust library and prelinking it. The first build compiles the engine: 20 to 40 minutes on 2 cores.)
	mkdir -p $(CARGO_TARGET_DIR)
	exec 9> $(CARGO_TARGET_DIR)/prelink.lock; flock 9; \
	  (cd rust && $(CARGO) build --workspace --release --locked) && \
	  $(XTASK) prelink --lib $(STATIC_LIBRARY) --out $@

# The build above makes them too. With a new cache folder they are missing beside an object that is up to date.
$(XTASK) $(CONTEXT_MIRROR) &: | build-prerequisites
	$(call say,Building the Rust tools. The first build compiles the engine: 20 to 40 minutes on 2 cores.)
	mkdir -p $(CARGO_TARGET_DIR)
	exec 9> $(CARGO_TARGET_DIR)/prelink.lock; flock 9; \
	  cd rust && $(CARGO) build --workspace --release --locked

bin/otapcol: $(SYSO) $(GO_SOURCES) cmd/otapcol/manifest.yaml | $(BUILDER)
	$(call say,Building the collector with the official builder $(COLLECTOR_VERSION). The first build takes about 3 minutes.)
	cd cmd/otapcol && $(BUILDER) --config=manifest.yaml
	install -D cmd/otapcol/_build/otapcol $@

# A node author's library and collector. With the versions and features of our own
# workspace, it shares the compiled engine.
$(CUSTOM)/Cargo.lock: rust/Cargo.lock
	cp $< $@

$(CUSTOM_SYSO): $(SYSO) $(CUSTOM_SOURCES) | $(CUSTOM)/Cargo.lock $(XTASK)
	$(call say,Building the library of $(CUSTOM))
	cd $(CUSTOM) && $(CARGO) build $(CUSTOM_CARGO_FLAGS)
	$(XTASK) prelink --lib $(CARGO_TARGET_DIR)/release/libtenant_quota.a --out $@

bin/otapcol-custom: $(CUSTOM_SYSO) $(GO_SOURCES) | $(BUILDER)
	$(call say,Building the collector of $(CUSTOM))
	cd $(CUSTOM) && $(BUILDER) --config=manifest.yaml
	install -D $(CUSTOM)/_build/otapcol-custom $@

# With Go's processors, to measure ours against them.
bin/otapcol-comparison: $(SYSO) $(GO_SOURCES) $(COMPARISON)/manifest.yaml | $(BUILDER)
	$(call say,Building the collector of $(COMPARISON))
	cd $(COMPARISON) && $(BUILDER) --config=manifest.yaml
	install -D $(COMPARISON)/_build/otapcol-comparison $@

.PHONY: header generate notices
header: | build-prerequisites ## Write include/otapbridge.h from rust/capi.
	cd rust && $(CARGO) build --workspace --release --locked
	$(XTASK) header

generate: ## Write the generated Go code of the components.
	CGO_ENABLED=0 go generate ./cbridge/...

notices: | build-prerequisites ## Write THIRD_PARTY_NOTICES from the crates that are linked in.
	python3 tools/notices.py

# The archive contains the prelinked object: linked from the plain Rust archive, the
# engine's nodes would be missing, because nothing refers to them by name.
.PHONY: install
install: $(SYSO) ## Install header, static library and pkg-config file under PREFIX=/usr/local.
	$(call say,Installing into $(DESTDIR)$(PREFIX))
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 644 include/otapbridge.h $(DESTDIR)$(PREFIX)/include/otapbridge.h
	rm -f $(DESTDIR)$(PREFIX)/lib/libotapbridge.a
	ar rcs $(DESTDIR)$(PREFIX)/lib/libotapbridge.a $(SYSO)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' tools/otapbridge.pc.in \
	  > $(DESTDIR)$(PREFIX)/lib/pkgconfig/otapbridge.pc

# --- run --------------------------------------------------------------------

.PHONY: run
run: bin/otapcol $(TELEMETRYGEN) ## Start bin/otapcol, send it telemetry and show what Rust made of it.
	@TELEMETRYGEN=$(TELEMETRYGEN) examples/run.sh

.PHONY: custom-node
custom-node: bin/otapcol-custom $(TELEMETRYGEN) ## Build the collector of examples/custom-node, run it and show what its node does.
	@OTAPCOL_CUSTOM=$(CURDIR)/bin/otapcol-custom TELEMETRYGEN=$(TELEMETRYGEN) $(CUSTOM)/run.sh

# --- test -------------------------------------------------------------------

# A workspace of its own: loom turns on features for which the engine would be compiled once more.
LOOM_TARGET_DIR := $(CACHE)/loom-target

.PHONY: test test-rust test-go test-race test-cgocheck test-asan test-without-cgo test-programs bench
test: lint test-rust test-go test-race test-cgocheck test-asan test-without-cgo test-programs ## Run lint and every test.
	$(call say,All tests passed.)

test-rust: | build-prerequisites $(CUSTOM)/Cargo.lock ## Test the Rust workspace.
	$(call say,Testing the Rust workspace)
	cd rust && $(CARGO) test --workspace --release --locked
	cd $(CUSTOM) && $(CARGO) test $(CUSTOM_CARGO_FLAGS)
	$(call say,Trying the orders in which threads can meet in a request's end)
	cd rust/engine/loom && CARGO_TARGET_DIR=$(LOOM_TARGET_DIR) $(CARGO) run --release --locked --quiet

test-go: $(SYSO) ## Test the Go packages.
	$(call say,Testing the Go packages)
	$(GO_TEST) $(PACKAGES)

test-race: $(SYSO) ## Test the Go packages with the race detector.
	$(call say,Testing the Go packages with the race detector)
	$(GO_TEST) -short -race $(PACKAGES)

test-cgocheck: $(SYSO) ## Test the Go packages with cgo's pointer checks.
	$(call say,Testing the Go packages with GOEXPERIMENT=cgocheck2)
	GOEXPERIMENT=cgocheck2 $(GO_TEST) -short $(PACKAGES)

test-asan: $(SYSO) ## Test the Go packages with the address sanitizer.
	$(call say,Testing the Go packages with the address sanitizer)
	$(GO_TEST) -short -asan $(PACKAGES)

test-without-cgo: ## Build, vet and test the Go packages without cgo.
	$(call say,Testing the Go packages without cgo)
	CGO_ENABLED=0 go build ./...
	CGO_ENABLED=0 go vet ./...
	CGO_ENABLED=0 go test -count=1 -short $(PACKAGES)

test-programs: bin/otapcol tools | test-prerequisites ## Test bin/otapcol with real clients, and programs of other languages.
	$(call say,Testing the collector with real clients and the programs of other languages)
	$(GO_TEST) -p 1 ./tests/...

# For the tests, which ask for up-to-date programs however they are started.
.PHONY: program-paths context-mirror-path
context-mirror-path: $(SYSO) $(CONTEXT_MIRROR)
	@printf '%s\n' $(CONTEXT_MIRROR)

program-paths: bin/otapcol $(TELEMETRYGEN) $(PYTHON)
	@printf '%s\n' otapcol=bin/otapcol telemetrygen=$(TELEMETRYGEN) python=$(PYTHON)

bench: $(SYSO) bin/otapcol ## Measure the crossing, what a context costs, and how soon a cancel works.
	$(call say,Measuring the crossing and cancels)
	CGO_ENABLED=1 go test -run '^$$' -bench . -benchmem -timeout=30m $(PACKAGES)
	CGO_ENABLED=1 go test -run '^$$' -bench . -timeout=30m ./tests/collector

# Rust for the engine's filter, which has no name that a collector could use.
.PHONY: bench-comparison
bench-comparison: bin/otapcol-comparison ## Measure our attributes and filter against Go's processors and the engine's nodes.
	$(call say,Measuring against the nodes of the engine)
	cd rust && $(CARGO) test --workspace --release --locked --test hosting -- --ignored --nocapture comparison::
	$(call say,Measuring against the processors of Go)
	cd $(COMPARISON) && CGO_ENABLED=1 go vet . && CGO_ENABLED=1 OTAPCOL_COMPARISON=$(CURDIR)/bin/otapcol-comparison \
	  go test -run '^$$' -bench Nodes -benchtime 15x -timeout=30m .
	cd $(COMPARISON) && CGO_ENABLED=1 OTAPCOL_COMPARISON=$(CURDIR)/bin/otapcol-comparison \
	  go test -run '^$$' -bench Collector -benchtime 3x -timeout=30m .

# Both decoders of the context block, the nodes that change OTLP, and errors. Rust's targets are in workspaces of their own with
# their own target folder, because they are compiled with coverage; the stable compiler does it.
FUZZTIME ?= 60s
RUST_FUZZ_TARGETS := context/fuzz/context_block nodes/fuzz/attributes nodes/fuzz/filter
FUZZ_TARGET_DIR := $(CACHE)/fuzz-target
RUST_FUZZ_PROGRAMS := $(FUZZ_TARGET_DIR)/x86_64-unknown-linux-gnu/release

.PHONY: fuzz fuzz-rust fuzz-go
fuzz: fuzz-rust fuzz-go ## Fuzz the context decoders of Rust and Go, nodes, and errors, for FUZZTIME=60s each; what is found is kept.

# $(1) is one of the targets: its workspace, and its name.
define FUZZ_RUST
.PHONY: fuzz-rust-$(notdir $(1)) fuzz-minimise-$(notdir $(1))
fuzz-rust: fuzz-rust-$(notdir $(1))
fuzz-rust-$(notdir $(1)): | build-prerequisites
	$$(call say,Fuzzing $(notdir $(1)) in Rust for $$(FUZZTIME))
	cd rust/$(dir $(1)) && CARGO_TARGET_DIR=$$(FUZZ_TARGET_DIR) $$(CARGO) build --release --locked
	seconds=$$$$(python3 -c 'import re, sys; u = {"h": 3600, "m": 60, "s": 1}; \
	  print(sum(int(n) * u[x] for n, x in re.findall(r"(\d+)([hms])", sys.argv[1])))' $$(FUZZTIME)); \
	  cd rust/$(dir $(1)) && $$(RUST_FUZZ_PROGRAMS)/$(notdir $(1)) -max_total_time=$$$$seconds -max_len=4096 -print_final_stats=1 \
	    -artifact_prefix=corpus/$(notdir $(1))/ corpus/$(notdir $(1))

# Keeps the inputs that reach what no other reaches.
fuzz-minimise: fuzz-minimise-$(notdir $(1))
fuzz-minimise-$(notdir $(1)): | build-prerequisites
	cd rust/$(dir $(1)) && CARGO_TARGET_DIR=$$(FUZZ_TARGET_DIR) $$(CARGO) build --release --locked
	cd rust/$(dir $(1)) && mkdir corpus/minimised && \
	  $$(RUST_FUZZ_PROGRAMS)/$(notdir $(1)) -set_cover_merge=1 -max_len=4096 corpus/minimised corpus/$(notdir $(1)) && \
	  rm -r corpus/$(notdir $(1)) && mv corpus/minimised corpus/$(notdir $(1))
endef
$(foreach target,$(RUST_FUZZ_TARGETS),$(eval $(call FUZZ_RUST,$(target))))

.PHONY: fuzz-minimise
fuzz-minimise: ## Reduce the corpora of `make fuzz` to what they need.

FUZZ_GO := go test -run '^$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x

.PHONY: fuzz-go-decoder fuzz-go-errors
fuzz-go: fuzz-go-decoder fuzz-go-errors

fuzz-go-decoder:
	$(call say,Fuzzing the decoder in Go for $(FUZZTIME))
	CGO_ENABLED=0 $(FUZZ_GO) ./cbridge/internal/contextcodec -fuzz '^FuzzDecodeContext$$'

fuzz-go-errors: $(SYSO)
	$(call say,Fuzzing errors in Go and across the boundary for $(FUZZTIME) each)
	CGO_ENABLED=1 $(FUZZ_GO) ./cbridge/internal/errormapping -fuzz '^FuzzFromError$$'
	CGO_ENABLED=1 $(FUZZ_GO) ./cbridge/internal/errormapping -fuzz '^FuzzErrorStructOfTheLibrary$$'
	CGO_ENABLED=1 $(FUZZ_GO) ./cbridge -fuzz '^FuzzErrorStructAcrossTheBoundary$$'

# --- lint -------------------------------------------------------------------

GENERATED_CODE := find cbridge -type f \( -name 'generated_*' -o -name '*.md' \) | sort | xargs sha256sum

.PHONY: lint lint-go lint-rust lint-generated
lint: lint-go lint-rust lint-generated ## Check formatting, style and generated files.

# golangci-lint keeps its findings with the paths of the checkout that had them: another checkout
# must not find them, so each has a cache of its own.
lint-go: $(SYSO) $(GOLANGCI_LINT)
	$(call say,Checking the Go code)
	test -z "$$(gofmt -l capi cbridge include internal tests examples | grep -v /_build/ | tee /dev/stderr)"
	CGO_ENABLED=1 go vet ./...
	CGO_ENABLED=1 GOLANGCI_LINT_CACHE=$(CURDIR)/bin/golangci-lint-cache $(GOLANGCI_LINT) run ./...

lint-rust: | build-prerequisites $(CUSTOM)/Cargo.lock
	$(call say,Checking the Rust code. The first check of the engine takes about 3 minutes.)
	cd rust && $(CARGO) fmt --all --check
	cd rust && $(CARGO) clippy --workspace --release --all-targets --locked -- -D warnings
	cd rust/engine/loom && $(CARGO) fmt --check && CARGO_TARGET_DIR=$(LOOM_TARGET_DIR) $(CARGO) clippy --release --locked -- -D warnings
	cd rust/context/fuzz && $(CARGO) fmt --check
	cd rust/nodes/fuzz && $(CARGO) fmt --check
	cd $(CUSTOM) && $(CARGO) fmt --check && $(CARGO) clippy $(CUSTOM_CARGO_FLAGS) --all-targets -- -D warnings

lint-generated: $(SYSO) $(XTASK)
	$(call say,Checking the generated files)
	before=$$($(GENERATED_CODE)); $(MAKE) generate; [[ $$before == "$$($(GENERATED_CODE))" ]] \
	  || { echo "generated Go code was out of date: commit what \`make generate\` just wrote" >&2; exit 1; }
	$(XTASK) header --check
	$(XTASK) symbols --object $(SYSO)
	python3 tools/notices.py --check

# --- tools ------------------------------------------------------------------

.PHONY: tools
tools: $(BUILDER) $(TELEMETRYGEN) $(GOLANGCI_LINT) $(PYTHON) ## Install the pinned tools into the cache folder.

$(BUILDER):
	$(call say,Installing the collector builder $(COLLECTOR_VERSION))
	GOBIN=$(@D) go install go.opentelemetry.io/collector/cmd/builder@$(COLLECTOR_VERSION)

$(TELEMETRYGEN):
	$(call say,Installing telemetrygen $(COLLECTOR_VERSION))
	GOBIN=$(@D) go install github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen@$(COLLECTOR_VERSION)

$(GOLANGCI_LINT):
	$(call say,Installing golangci-lint $(GOLANGCI_LINT_VERSION))
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

# Named by what it contains, so it is made once.
$(PYTHON): | test-prerequisites
	$(call say,Installing the Python OpenTelemetry SDK)
	rm -rf $(PYTHON_ENVIRONMENT)
	python3 -m venv $(PYTHON_ENVIRONMENT)
	$(PYTHON_ENVIRONMENT)/bin/pip install --quiet --requirement $(PYTHON_REQUIREMENTS)

.PHONY: build-prerequisites test-prerequisites
build-prerequisites:
	@tools/prerequisites.sh build

test-prerequisites:
	@tools/prerequisites.sh test

.PHONY: clean
clean: ## Remove what was built in the checkout (the cache folder stays).
	rm -rf bin cmd/otapcol/_build $(COMPARISON)/_build $(SYSO) $(CUSTOM)/_build $(CUSTOM)/Cargo.lock $(CUSTOM_SYSO)
