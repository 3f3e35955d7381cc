# Every target does its own set-up: a clone, Go, gcc and npm are all it needs. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two cores: targets side by side would only slow each other down, and their output would mix. So -j changes nothing.
.NOTPARALLEL:

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mcpwatch
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# What to test, and further flags: make test PKG=./detector/... ARGS='-run Sequence -v'. For `up`, ARGS are its flags.
PKG ?= ./...
ARGS ?=
FUZZTIME ?= 10s

# The linter is kept outside the clone, so that the next one has it. Its folder names the Go that built it: a linter
# can't read what a newer compiler wrote.
GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(CACHE)/tools/golangci-lint-$(GOLANGCI_VERSION)-$(shell go env GOVERSION 2>/dev/null)/golangci-lint

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: need-go ## build bin/mcpwatch
	@CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o bin/mcpwatch ./cmd/mcpwatch

.PHONY: engine
engine: ## install the ClickHouse engine library into the user's cache
	@internal/embedded/clickhouse/engine/install.sh >/dev/null

.PHONY: servers
servers: ## install the real MCP servers of the end-to-end tests into the user's cache
	@cmd/mcpwatch/testdata/servers/install.sh >/dev/null

.PHONY: up
up: build engine ## run everything on this machine; flags in ARGS, Ctrl-C ends it
	@exec bin/mcpwatch up $(ARGS)

.PHONY: test
test: need-go engine servers ## run all tests; PKG= and ARGS= narrow it
	go test -shuffle=on -timeout 10m $(ARGS) $(PKG)

.PHONY: test-race
test-race: need-go need-gcc engine servers ## the same under the race detector
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 20m $(ARGS) $(PKG)

.PHONY: lint
lint: need-go $(GOLANGCI) ## golangci-lint
	$(GOLANGCI) run $(PKG)

.PHONY: fmt
fmt: need-go $(GOLANGCI) ## format the code
	$(GOLANGCI) fmt

.PHONY: fmt-check
fmt-check: need-go $(GOLANGCI) ## fail where `make fmt` would change a file
	$(GOLANGCI) fmt --diff

.PHONY: tidy-check
tidy-check: need-go ## fail where go.mod or go.sum is not tidy
	go mod tidy -diff

.PHONY: rules
rules: build ## check the shipped rules and run their tests
	bin/mcpwatch rules lint
	bin/mcpwatch rules test --strict

.PHONY: fuzz
fuzz: need-go ## run every Fuzz target for FUZZTIME (10s)
	@targets=$$(grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(' . | sort) || { echo 'fuzz: no Fuzz target found'; exit 1; }; \
	failed=0; \
	while IFS=: read -r file func; do \
		name=$${func#func }; name=$${name%(}; \
		echo "fuzz: $${file%/*} $$name"; \
		go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) "$${file%/*}" || failed=$$((failed + 1)); \
	done <<<"$$targets"; \
	echo "fuzz: $$(wc -l <<<"$$targets") targets, $$failed failed"; \
	[ $$failed -eq 0 ]

.PHONY: bench-path
bench-path: need-go engine ## measure the whole path of an event, from agent to alert
	go run ./internal/pathbench $(ARGS)

# Where the generated events and rules of the engine's bench lie, and what to measure of it.
BENCH ?=
ONLY ?= .
GENERATED = @[ -f "$(BENCH)/events.jsonl" ] || { echo 'make: BENCH=DIR must name the generated events and rules; make them by: python3 gen.py DATA DIR (tools/bench, of the samples in data)' >&2; exit 1; }

.PHONY: bench-engine
bench-engine: need-go ## measure the engine on generated events; BENCH=DIR, ONLY=REGEXP, ARGS='-count 6' for benchstat
	$(GENERATED)
	@BENCH='$(abspath $(BENCH))' go test -run '^$$' -bench '$(ONLY)' -skip Cores -cpu 1 -timeout 60m $(ARGS) ./internal/enginebench
	@BENCH='$(abspath $(BENCH))' go test -run '^$$' -bench 'Cores' -cpu 1,2 $(ARGS) ./internal/enginebench

.PHONY: bench-peer
bench-peer: build ## the engine beside rsigma, over the same events and rules, as processes; BENCH=DIR
	$(GENERATED)
	@internal/enginebench/peer.sh '$(BENCH)'

# A laptop runs tap, hook, inventory, ingest and scan. One architecture of each system is vetted, the others are built. The
# command's own tests play with process groups and are not for Windows: of it the files without tests are vetted.
CROSS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
.PHONY: cross
cross: need-go ## build mcpwatch for laptops' systems, and vet what runs there
	@for to in $(CROSS); do \
		echo "cross: $$to"; \
		export GOOS=$${to%/*} GOARCH=$${to#*/} CGO_ENABLED=0; \
		go build -trimpath -buildvcs=false -o /dev/null ./cmd/mcpwatch || exit 1; \
		[ "$$GOARCH" = amd64 ] || { go vet ./collector/... && (cd cmd/mcpwatch && go vet $$(go list -f '{{range .GoFiles}}{{.}} {{end}}')); } || exit 1; \
	done

.PHONY: ci
ci: tidy-check fmt-check lint test-race rules cross ## all that must hold before a change lands

.PHONY: need-go
need-go:
	@want=$$(awk '$$1 == "go" { print $$2; exit }' go.mod); \
	mend="install Go $$want or newer, or put its bin folder on PATH"; \
	command -v go >/dev/null || { echo "make: go is missing: $$mend" >&2; exit 1; }; \
	have=$$(go env GOVERSION 2>/dev/null || (cd / && go env GOVERSION)); \
	printf '%s\n' "go$$want" "$$have" | sort -CV || { echo "make: go is $$have, too old: $$mend" >&2; exit 1; }

.PHONY: need-gcc
need-gcc:
	@command -v "$$(go env CC)" >/dev/null || { echo "make: $$(go env CC) is missing, and the race detector needs it: install gcc (on Debian: apt-get install gcc libc6-dev)" >&2; exit 1; }

# Built in a folder of its own, then renamed: a build that is stopped leaves no half of a linter behind.
$(GOLANGCI): | need-go
	@echo "golangci-lint: building $(GOLANGCI_VERSION), once" >&2; \
	mkdir -p $(@D); tmp=$$(mktemp -d $(@D)/new.XXXXXX); trap 'rm -rf "$$tmp"' EXIT; \
	GOBIN=$$tmp GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION); \
	mv "$$tmp/golangci-lint" $@
