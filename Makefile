# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0

AGENTS ?= 1
PREFIX ?= /usr/local
CONFIG ?= debug
export AGENTS PREFIX CONFIG

.DEFAULT_GOAL := help
.PHONY: help run up down test e2e k8s-testbed bench fmt check man docs install clean

help: ## Say what can be made
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 20

run: ## Build, start a Cloud and an agent here, open the console; stops both at the end
	@Scripts/run

up: ## Start a Cloud and AGENTS=1 agents in the background, under .run/
	@Scripts/install-packages build
	@Scripts/build
	@Scripts/up

down: ## Stop what `make up` started
	@Scripts/down

test: ## Install what is missing, build, run every test
	@Scripts/test

e2e: ## Run the end-to-end tests on what is built; ARGS="-k cancel" selects
	@Scripts/install-packages build test
	@Scripts/build
	@Scripts/e2e $(ARGS)

k8s-testbed: ## Build a real Kubernetes API server for the tests, once; 6 to 15 minutes
	@Scripts/k8s-testbed

bench: ## Measure, beside the limit or peer of the same run (release build)
	@Scripts/install-packages build test
	@CONFIG=release Scripts/build
	@CONFIG=release Benchmarks/run

fmt: ## Format the Swift sources
	@swift format format --in-place --parallel --recursive Sources Tests Package.swift

check: ## Lint the sources and the manual, and hold the laws of the layout
	@Scripts/check

man: ## Lint the manual and render it to .build/man/*.txt
	@Scripts/man

docs: ## List the documentation
	@ls -1 README.md docs/*.md man/*.[0-9]

install: ## Build for release and install below PREFIX=/usr/local
	@Scripts/install-packages build
	@CONFIG=release Scripts/build
	@Scripts/install

clean: down ## Remove everything that was built or started here
	@rm -rf .build .run .venv
