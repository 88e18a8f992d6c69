SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# VERSION, the file, holds the version that is worked on. A release names itself.
VERSION ?= v$(shell cat VERSION)-dev.$(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
ARCH    ?= $(shell go env GOARCH)
# The default brings CA certificates; BASE=scratch needs no registry.
BASE    ?= gcr.io/distroless/static-debian12:nonroot
IMAGE   ?= ghcr.io/envgraft/envgraft:$(VERSION)

PROGRAM ?= bin/envgraft

# The cluster of make kind.
KIND_CLUSTER ?= envgraft

# For one benchmark or fuzz target: make bench PACKAGES=./webhook BENCH=Pods
PACKAGES ?= ./...
BENCH    ?= .
FUZZ     ?= .
FUZZTIME ?= 30s

generated = deploy/install.yaml deploy/policy.yaml deploy/chart/README.md docs/cli.md docs/annotations.md

# Modules of their own: their dependencies are none of the program's.
modules = controlplane browser dashboard iam bench/plot

# Without grpcnotrace, gRPC serves pages made of templates, which call methods by
# name: the linker would keep all methods of all types (verify-linked).
export GOFLAGS := $(strip $(GOFLAGS) -tags=grpcnotrace)

program = CGO_ENABLED=0 go build -trimpath \
	-ldflags "-s -w -X github.com/envgraft/envgraft/internal/version.version=$(VERSION)"
tool    = go tool -modfile=test/tools/$(1).mod $(1)

##@ Use

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  %-18s%s\n", $$1, $$2}' Makefile

.PHONY: build
build: ## Build PROGRAM, bin/envgraft, a static program.
	$(program) -o $(PROGRAM) ./cmd/envgraft

# Built as the program is, so that nothing is compiled twice.
.PHONY: demo
demo: ## Show on the example app what happens to a pod. No cluster, no network.
	@CGO_ENABLED=0 go run -trimpath ./test/demo

.PHONY: kind
kind: ## Create a kind cluster with ESO, a fake of SSM, envgraft and the example, to try it out.
	@docker version >/dev/null 2>&1 || { echo >&2 \
		"cannot run kind: no Docker daemon answers at $${DOCKER_HOST:-the default address}: start one, or set DOCKER_HOST"; exit 1; }
	@for program in kubectl aws; do command -v $$program >/dev/null || \
		echo "$$program is not on the PATH: the cluster is created all the same, but what is printed to try needs it"; done
	@echo "This takes three to five minutes."
	@E2E_KIND=1 E2E_KEEP=1 E2E_CLUSTER=$(KIND_CLUSTER) go test -v -count=1 -tags e2e -timeout 25m -run '^TestKind$$' ./test/e2e
	@$(call tool,kind) export kubeconfig --name $(KIND_CLUSTER)

.PHONY: kind-down
kind-down: ## Delete that cluster.
	$(call tool,kind) delete cluster --name $(KIND_CLUSTER)

.PHONY: image
image: ## Build the container image IMAGE on BASE, for linux/ARCH.
	GOOS=linux GOARCH=$(ARCH) $(program) -o bin/linux/$(ARCH)/envgraft ./cmd/envgraft
	docker build --build-arg BASE=$(BASE) --build-arg TARGETARCH=$(ARCH) --tag $(IMAGE) .

# deploy/release says how to build fewer platforms.
.PHONY: release-files
release-files: ## Build the files of release VERSION into dist/.
	deploy/release $(VERSION)

# scratch has no certificates to trust SSM by, but needs no registry.
.PHONY: release-dry-run
release-dry-run: release-files ## Build all of a release that needs no network, images included where Docker runs.
	@docker version >/dev/null 2>&1 || { echo "no Docker daemon answers: the images are not built"; exit 0; }; \
	for arch in amd64 arm64; do \
		docker build --quiet --platform linux/$$arch --build-arg BASE=scratch --build-arg TARGETARCH=$$arch --tag $(IMAGE)-$$arch .; \
	done

##@ Test

.PHONY: test
test: test-unit test-integration ## Run all tests that need no container.

# test/process is without the race detector: what it tests is another process.
.PHONY: test-unit
test-unit: ## Run unit, golden and property tests, with the race detector.
	go test -race $$(go list ./... | grep -v -e /test/integration -e /test/process)
	go test ./test/process
	go -C test/iam test ./...
	go -C test/dashboard test ./...

# The assets are asked for in a step of their own, for a failure to show.
.PHONY: test-integration
test-integration: ## Run the tests against a real API server (KUBEBUILDER_ASSETS).
	assets=$$(test/controlplane/assets) && \
		KUBEBUILDER_ASSETS=$$assets go test -race -timeout 15m ./test/integration/...

# It skips, and says so, where there is no Chromium. UPDATE=-update takes the
# picture of the documentation.
.PHONY: test-browser
test-browser: ## Run the tests of the status page in a headless Chromium.
	go -C test/browser test -v -count=1 -timeout 10m ./... $(UPDATE)

.PHONY: test-e2e
test-e2e: ## Run the tests in kind. Needs Docker; test/e2e/doc.go lists the variables.
	@docker version >/dev/null 2>&1 || { echo >&2 \
		"cannot run test-e2e: no Docker daemon answers at $${DOCKER_HOST:-the default address}: start one, or set DOCKER_HOST"; exit 1; }
	go test -v -count=1 -tags e2e -timeout 25m ./test/e2e/...

.PHONY: test-examples
test-examples: ## Run what lies in examples in kind, with Argo Rollouts' own controller.
	E2E_EXAMPLES=1 go test -v -count=1 -tags e2e -timeout 45m -run '^TestExamples$$' ./test/e2e

.PHONY: bench
bench: ## Run the benchmarks that match BENCH, of PACKAGES, then bench-admission.
	assets=$$(test/controlplane/assets) && \
		KUBEBUILDER_ASSETS=$$assets go test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m $(PACKAGES)
	@$(MAKE) --no-print-directory bench-admission

.PHONY: bench-admission
bench-admission: ## Print what an admission costs beside its peers.
	go run ./test/bench/admission

.PHONY: profile
profile: ## Profile the CPU of warm admissions into bin/cpu.pprof.
	@mkdir -p bin
	go run ./test/bench/admission -only envgraft -rounds 3 -requests 15000 -profile bin/cpu.pprof

.PHONY: plots
plots: ## Draw docs/performance/*.csv as SVG.
	for table in docs/performance/*.csv; do \
		go -C test/bench/plot run . -title "CPU of an admission by $$(basename $$table .csv)" \
			$(CURDIR)/$$table $(CURDIR)/$${table%.csv}.svg; \
	done

# Building the targets is not part of their time: it takes minutes where the
# caches are cold.
.PHONY: fuzz
fuzz: ## Fuzz each target that matches FUZZ for FUZZTIME.
	@test/fuzz '$(FUZZ)' '$(FUZZTIME)'

.PHONY: fuzz-short
fuzz-short: ## Fuzz each target for 20 seconds.
	@test/fuzz . 20s

##@ Change

.PHONY: format
format: ## Format the Go files.
	$(call tool,golangci-lint) fmt

.PHONY: generate
generate: ## Render deploy/install.yaml, deploy/policy.yaml, the chart's README and docs/.
	@mkdir -p bin
	{ echo '# Rendered from deploy/chart by make generate; do not edit.'; \
		$(call tool,helm) template envgraft deploy/chart --namespace envgraft-system --values deploy/install-values.yaml --skip-tests; } > bin/install.yaml
	mv bin/install.yaml deploy/install.yaml
	{ echo '# What envgraft export policy writes for the defaults, by make generate; do not edit.'; \
		go run ./cmd/envgraft export policy; } > bin/policy.yaml
	mv bin/policy.yaml deploy/policy.yaml
	$(call tool,helm-docs) --chart-search-root=deploy/chart --sort-values-order=file --log-level=warning
	go run ./test/docs

.PHONY: verify
verify: verify-format verify-lint verify-workflows verify-modules verify-generated verify-linked ## Check what can be checked without running.

.PHONY: verify-format
verify-format:
	$(call tool,golangci-lint) fmt --diff

.PHONY: verify-lint
verify-lint:
	go vet -tags e2e ./...
	for module in $(filter-out controlplane,$(modules)); do go -C test/$$module vet ./...; done
	$(call tool,golangci-lint) run

# shellcheck and pyflakes are not everywhere, and would make the outcome depend
# on the machine.
.PHONY: verify-workflows
verify-workflows:
	$(call tool,actionlint) -shellcheck= -pyflakes=

.PHONY: verify-modules
verify-modules:
	go mod tidy -diff
	for module in $(modules); do go -C test/$$module mod tidy -diff; done
	for modfile in $(filter-out go.mod,$(notdir $(wildcard test/tools/*.mod))); do \
		go -C test/tools mod tidy -diff -modfile="$$modfile"; \
	done

.PHONY: verify-generated
verify-generated: generate
	@[ -z "$$(git status --porcelain -- $(generated))" ] || { \
		git --no-pager diff -- $(generated); \
		echo "$(generated): not what is committed: run make generate and commit it" >&2; exit 1; }

# See GOFLAGS. What the linker writes is some 300,000 lines.
.PHONY: verify-linked
verify-linked:
	@mkdir -p bin
	$(program) -ldflags=-dumpdep -o /dev/null ./cmd/envgraft 2>bin/linked.txt || { tail bin/linked.txt >&2; exit 1; }
	@! grep -m1 'ReflectMethod>' bin/linked.txt || { echo >&2 \
		"the program calls methods by name, as text/template does: the linker keeps all methods of all types (make verify-linked)"; exit 1; }

.PHONY: clean
clean: ## Remove what was built, a cached control plane included.
	rm -rf bin dist .cache
