# dpi-operator: `make help` lists every target.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE ?= $(or $(DPI_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dpi-operator)
export DPI_CACHE := $(CACHE)

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
BINARIES := manager kubectl-dpi registry provisioner
CONTROLLER_GEN := go -C hack/tools tool controller-gen
GOLANGCI_LINT := $(CACHE)/bin/golangci-lint-v2.15.0
GOVULNCHECK := go -C hack/tools tool govulncheck

##@ General

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*##"} /^[a-zA-Z0-9_-]+:.*?##/ {printf "  \033[36m%-14s\033[0m %s\n", $$1, $$2} /^##@/ {printf "\n%s\n", substr($$0, 5)}' $(MAKEFILE_LIST)

##@ Try it

.PHONY: demo
demo: build ## Bring up a real cluster and a real health exchange on it, and prove that it works. CLUSTER=existing uses KUBECONFIG.
	go run ./hack/demo up

.PHONY: demo-down
demo-down: ## Take the demo and its cluster away; caches stay.
	go run ./hack/demo down

##@ Build

.PHONY: build
build: ## Build manager, kubectl-dpi, registry and provisioner into bin/.
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/ $(addprefix ./cmd/,$(BINARIES))

.PHONY: image
image: ## Build the operator's image with a container engine (make demo needs none).
	docker build -t dpi-operator:$(VERSION) .

.PHONY: generate
generate: ## Write generated files anew: deep copies, CRDs, the chart's copies of them, and the page of contracts.
	$(CONTROLLER_GEN) object paths=$(CURDIR)/api/... crd paths=$(CURDIR)/api/... output:crd:artifacts:config=$(CURDIR)/config/crd
	cp config/crd/dpi-operator.io_*.yaml charts/dpi-operator/crds-source/
	go test -count=1 ./test/docs -run TestContractsPage -update

##@ Check

.PHONY: test
test: test-unit test-modules test-e2e ## Run every test; sets up all it needs (root on Debian 12).

.PHONY: test-unit
# What is compared with Helm runs in one goroutine: the race detector would make it take five times as long.
test-unit: prerequisites ## Run unit, API and controller tests against a real apiserver and real providers.
	assets="$$(go -C hack/devcluster run . assets)"; keycloak="$$(internal/provision/keycloak/kctest/home.sh)"; \
	kafka="$$(internal/provision/kafka/kafkatest/home.sh)"; openhim="$$(internal/provision/httpupsert/himtest/home.sh)"; \
	versitygw="$$(internal/provision/s3/s3test/home.sh)"; \
	export KUBEBUILDER_ASSETS="$$assets" KEYCLOAK_HOME="$$keycloak" KAFKA_HOME="$$kafka" OPENHIM_HOME="$$openhim" VERSITYGW_HOME="$$versitygw"; \
	go test -race -timeout 40m $$(go list ./... | grep -v /test/parity) && go test -timeout 30m ./test/parity

.PHONY: test-modules
test-modules: ## Run the tests of the modules below hack/.
	go -C hack/devcluster test ./...
	go -C hack/images test ./...

.PHONY: test-e2e
test-e2e: build ## Run the demo stack on a real node and break it in every way that is listed.
	go test -count=1 -tags e2e -timeout 60m -v ./test/e2e/...

.PHONY: bench
bench: ## Measure the operator and Helm's own SDK side by side on one API server; prints a table.
	@assets="$$(go -C hack/devcluster run . assets)"; KUBEBUILDER_ASSETS="$$assets" go run ./test/bench $(BENCH_FLAGS)

.PHONY: fmt
fmt: ## Format the code.
	gofmt -w $$(git ls-files '*.go')

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run the linters, the dependency direction among them.
	$(GOLANGCI_LINT) run --allow-parallel-runners ./...
	cd hack/devcluster && $(GOLANGCI_LINT) run --allow-parallel-runners --config ../../.golangci.yaml ./...
	cd hack/images && $(GOLANGCI_LINT) run --allow-parallel-runners --config ../../.golangci.yaml ./...

$(GOLANGCI_LINT):
	@mkdir -p $(@D)
	GOBIN=$(@D)/golangci go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(@D)/golangci/golangci-lint $@

.PHONY: verify
verify: lint ## Prove that generated files are fresh, modules tidy, and run linters and the vulnerability check.
	./hack/verify.sh

.PHONY: prerequisites
prerequisites: ## Install what the tests need from the distribution.
	./hack/prerequisites.sh
