# The one way in. `make` lists what there is. Needs Go and gcc (libsecp256k1, race detector).
# Nothing else is installed by hand: tools are pinned in tools/*/go.mod and built into bin/tools.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO           ?= go
PACKAGES     ?= ./...
TEST_TIMEOUT ?= 70m
TEST_JOBS    ?= 2
TAGS         ?=
FUZZ_TIME    ?= 10s
FAULT_ROUNDS ?= 3
SYNC_KILLS   ?= 200
SWITCH_CYCLES ?= 1000
SIM_FIRST    ?= 1
SIM_SEEDS    ?= 100000
BENCH        ?= .
BENCH_TIME   ?= 1s
# Packages without clock or I/O, which must be covered almost whole; see internal/lint/layers.txt.
PURE         := chain codec fault pages ledger exec spread
COVER_PURE   ?= 95
COVER_OTHER  ?= 80
TOOLS        := bin/tools

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/aurigraph; TAGS=rocksdb for the V10 reference ledger on RocksDB
	$(GO) build -trimpath -tags "$(TAGS)" -o bin/aurigraph ./cmd/aurigraph

.PHONY: up
up: build ## build, then run a network on this machine in .aurigraph
	bin/aurigraph up --network .aurigraph

.PHONY: demo
demo: build ## watch a running V10 become V11 under paying clients, go back by itself, and get there; the last line is the verdict
	@bin/aurigraph demo migration

.PHONY: demo-real
demo-real: ## the same on nginx, RocksDB, Kafka, PostgreSQL and an S3 store; installs what is missing, if it may
	@scripts/demo-real

.PHONY: deps
deps: ## install what some tests use (RocksDB, nftables, nginx, PostgreSQL, Java); without it they are skipped aloud
	@scripts/deps

.PHONY: real
real: ## run a real Kafka and PostgreSQL until Ctrl-C; one line says where. `scripts/real fetch` lets the tests use Kafka
	@exec scripts/real

.PHONY: test
test: ## vet, then all tests, the repository's own rules included
	$(GO) vet $(PACKAGES)
	$(GO) test -p $(TEST_JOBS) -timeout $(TEST_TIMEOUT) $(PACKAGES)
	@$(MAKE) --no-print-directory test-rocksdb

.PHONY: test-rocksdb
test-rocksdb: ## the tests of the V10 reference ledger once more, on RocksDB
	@if scripts/deps have-rocksdb; then \
		$(GO) vet -tags rocksdb ./legacy/... && \
		$(GO) test -tags rocksdb -timeout $(TEST_TIMEOUT) ./legacy ./legacy/store/rocks && \
		$(GO) test -tags rocksdb -timeout $(TEST_TIMEOUT) -run V10 ./cmd/aurigraph; \
	else echo "*** librocksdb-dev is missing (make deps): tests of the V10 reference ledger on RocksDB are SKIPPED ***"; fi

.PHONY: check
check: format vet lint staticcheck ## gofmt, vet, the repository's own rules, staticcheck

.PHONY: format
format:
	@bad=$$(git ls-files -co --exclude-standard -- '*.go' | xargs -r gofmt -l); \
	if [ -n "$$bad" ]; then echo "not formatted:"; echo "$$bad"; exit 1; fi

.PHONY: vet
vet:
	$(GO) vet $(PACKAGES)

.PHONY: lint
lint: ## the repository's own rules: layers, banned calls, docs, lengths
	$(GO) test -count=1 ./internal/lint

.PHONY: staticcheck
staticcheck: $(TOOLS)/.lint
	@if [ -x $(TOOLS)/staticcheck ]; then $(TOOLS)/staticcheck $(PACKAGES); \
	else echo "*** staticcheck could not be fetched: SKIPPED ***"; fi

# Fetching may fail without a registry: then an older binary serves, or staticcheck is skipped aloud. A build that fails
# is an error.
$(TOOLS)/.lint: tools/lint/go.mod tools/lint/go.sum
	@mkdir -p $(TOOLS)
	@if (cd tools/lint && $(GO) mod download); then \
		(cd tools/lint && $(GO) build -o $(CURDIR)/$(TOOLS)/ tool) && touch $@; \
	else echo "*** cannot fetch the modules of tools/lint ***"; fi

.PHONY: coverage
coverage: ## statement coverage with the integration runs counted, and how many of those there are; half an hour
	@scripts/coverage

.PHONY: race
race: ## the short tests under the race detector
	$(GO) test -race -short -p $(TEST_JOBS) -timeout $(TEST_TIMEOUT) $(PACKAGES)

.PHONY: sim-bugs
sim-bugs: build ## show that the simulator catches every seeded bug; the last line says so
	@bin/aurigraph sim --bugs

# Stop it and run it again: it goes on where it was.
.PHONY: sim-long
sim-long: build ## simulate SIM_SEEDS (100000) seeds, resumable; remove bin/sim-long.json to begin anew
	@bin/aurigraph sim --seed $(SIM_FIRST) --seeds $(SIM_SEEDS) --resume bin/sim-long.json

.PHONY: model
model: ## search the models of the move, 17M states, and look for a way on from each; about a minute
	$(GO) run ./model/cmd/move -run all -progress

.PHONY: model-long
model-long: ## the long searches too: 107M states, 10 to 20 minutes, 3 GB
	$(GO) run ./model/cmd/move -run all -progress -long

.PHONY: e2e-faults
e2e-faults: ## every fault to processes, links and disks, FAULT_ROUNDS (3) times; as root. `make test` has a slice of it
	@command -v nft >/dev/null && command -v ip >/dev/null || apt-get install -y nftables iproute2
	$(GO) test -count=1 -timeout 60m -v -run '^Test(Faults|SlowLinks|DiskOfOneValidator)$$' ./e2e -faults.rounds $(FAULT_ROUNDS)

.PHONY: faults-sync
faults-sync: ## faults of the sync with V10, and SYNC_KILLS (200) kills of all its parts under payments; as root. `make test` has a slice of it
	$(GO) test -count=1 -timeout 180m -v -run '^TestSync(Kills|Fault)' ./e2e -sync.kills $(SYNC_KILLS)

.PHONY: switch-long
switch-long: ## move slots to V11 and back SWITCH_CYCLES (1000) times under payments and kills; more than an hour. `make test` has 50
	$(GO) test -count=1 -timeout 600m -v -run '^TestSwitch$$' ./e2e -switch.cycles $(SWITCH_CYCLES)

.PHONY: fuzz
fuzz: ## each fuzz test in turn, for FUZZ_TIME (10s)
	@grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' --exclude-dir='.?*' . | sort | while read -r file; do \
		sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' "$$file" | while read -r name; do \
			echo "== $$(dirname "$$file") $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ_TIME) -fuzzminimizetime 10x "./$$(dirname "$$file")" </dev/null; \
		done; \
	done

.PHONY: bench
bench: ## Go benchmarks that match BENCH (all), for BENCH_TIME (1s) each
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCH_TIME) -benchmem -p 1 $(PACKAGES)

.PHONY: bench-peers
bench-peers: build bench/bin/etcd bench/bin/cometbft ## measure etcd, CometBFT, PostgreSQL and Aurigraph in one run, into docs/bench/peers.json and .md
	cd bench && $(GO) vet ./... && $(GO) test ./... && $(GO) build -trimpath -o bin/peers ./cmd/peers
	cd bench && bin/peers -document ../docs/bench/peers.md

bench/bin/etcd: bench/install/etcd/go.mod bench/install/etcd/go.sum
	cd bench/install/etcd && $(GO) build -trimpath -o $(CURDIR)/$@ go.etcd.io/etcd/server/v3

bench/bin/cometbft: bench/install/cometbft/go.mod bench/install/cometbft/go.sum
	cd bench/install/cometbft && $(GO) build -trimpath -o $(CURDIR)/$@ github.com/cometbft/cometbft/cmd/cometbft

.PHONY: cover
cover: ## statement coverage by package, failing below the floors (pure 95 %, other 80 %)
	@$(GO) test -cover -p $(TEST_JOBS) -timeout $(TEST_TIMEOUT) ./internal/... > bin/cover.txt || { cat bin/cover.txt; exit 1; }
	@awk -v pure="$(PURE)" -v pure_floor=$(COVER_PURE) -v floor=$(COVER_OTHER) -f tools/cover.awk bin/cover.txt
cover: | bin

.PHONY: golden
golden: ## write the golden files anew; look at the diff before you commit it
	$(GO) test -p $(TEST_JOBS) $$($(GO) list -f '{{join .TestImports " "}} {{join .XTestImports " "}} :{{.ImportPath}}' ./... | \
		awk -F: '/internal\/testkit( |:|$$)/ {print $$2}') -update

.PHONY: gen
gen: $(TOOLS)/.gen ## Go code from proto/ (needs protoc: apt-get install protobuf-compiler)
	@command -v protoc >/dev/null || { echo "protoc is missing: apt-get install protobuf-compiler"; exit 1; }
	find proto -name '*.proto' -print0 | sort -z | xargs -0 -r protoc -I proto \
		--plugin=$(TOOLS)/protoc-gen-go --plugin=$(TOOLS)/protoc-gen-go-grpc \
		--go_out=. --go_opt=module=github.com/aurigraph/aurigraph \
		--go-grpc_out=. --go-grpc_opt=module=github.com/aurigraph/aurigraph

$(TOOLS)/.gen: tools/gen/go.mod tools/gen/go.sum
	@mkdir -p $(TOOLS)
	cd tools/gen && $(GO) build -o $(CURDIR)/$(TOOLS)/ tool
	@touch $@

bin:
	@mkdir -p bin

.PHONY: clean
clean: ## remove what was built; networks in .aurigraph stay
	rm -rf bin
	$(GO) clean -testcache
