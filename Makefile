# Ashbridge. `make help` lists the targets.

GO      ?= go
BIN     := bin/ashbridge
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOL    := $(GO) tool -modfile=tools/go.mod

.DEFAULT_GOAL := help
.PHONY: help run up down demo demo-down smoke smoke-local build test race bench model lint fmt fuzz clean postgres compiler chromium prometheus dashboards

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## set everything up and run the demo: one employer, live job events (Ctrl-C stops it)
	@[ -n "$$ASHBRIDGE_DATABASE_URL" ] || ops/install-postgres.sh
	@exec $(BIN) up --demo

build: ## build bin/ashbridge
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/ashbridge

up: ## run it as containers for real Ashby: docker-compose.yml, with Grafana; makes the secrets
	@ops/compose.sh up

down: ## stop the containers of make up; what they stored stays
	@ops/compose.sh down

demo: ## the same beside it with a simulated Ashby, an employer and a job board
	@ops/compose.sh demo

demo-down: ## stop the containers of make demo; what they stored stays
	@ops/compose.sh demo-down

smoke: ## bring the containers up with a demo of its own, see that events flow, take them down; needs Go
	@ops/compose.sh smoke

smoke-local: postgres prometheus ## the same services as plain processes: about 10 s
	$(GO) test -count=1 -v -run '^TestSmoke$$' ./internal/smoke

# Under the race detector these take as much processor time as all others together: `make race` runs them so, and CI does.
# Many of their tests wait most of the time, so that eight go side by side.
LONG := ./syncer ./internal/e2e

test: postgres compiler chromium prometheus ## set everything up and run all tests
	$(GO) test -race -timeout 10m $$($(GO) list ./... | grep -vE '/(syncer|internal/e2e)$$')
	$(GO) test -timeout 10m -parallel 8 $(LONG)

race: postgres compiler chromium prometheus ## run the longest tests with the race detector, too
	$(GO) test -race -timeout 20m $(LONG)

bench: postgres ## measure: latency, throughput, memory, a fleet, an outage, feeds, boards, webhooks
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./internal/e2e

model: ## let random things happen to the sync engine, 10,000 times
	$(GO) test -run '^TestModel$$' -timeout 60m ./syncer -rapid.checks=10000

fuzz: ## run each fuzz target for 30 s
	@ops/fuzz.sh 30s

.PHONY: dashboards
dashboards: ## make the files of Grafana's dashboards from ops/grafana
	@cd ops/grafana && $(GO) run .

lint: ## run the linters and look for dead code
	$(GO) vet ./...
	$(TOOL) golangci-lint run ./...
	cd ops/grafana && $(GO) test ./... && $(GO) tool -modfile=../../tools/go.mod golangci-lint run ./...
	@dead=$$($(TOOL) deadcode -test ./...) && [ -z "$$dead" ] || { echo "$$dead"; exit 1; }
	@ops/lint-files.sh

fmt: ## format the code
	$(TOOL) gofumpt -l -w $$(git ls-files '*.go')

clean: ## remove what was built (data folders stay)
	rm -rf bin

postgres:
	@ops/install-postgres.sh

compiler:
	@ops/install-cc.sh

chromium:
	@ops/install-chromium.sh

prometheus:
	@ops/install-prometheus.sh
