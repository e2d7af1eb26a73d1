# The way in. `make help` lists what there is.
.DEFAULT_GOAL := help
PRESET ?= release
JOBS ?= $(shell nproc)
# Most tests wait for other processes most of the time.
TEST_JOBS ?= $(shell expr $(JOBS) + 1)

.PHONY: help deps build run stop test test-clients bench lint docs coverage clean context

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install every Debian package that building, running and testing need
	@tools/install_packages.sh build run test clients

build: ## build the programs into build/bin
	@tools/install_packages.sh build
	@test -f build/$(PRESET)/build.ninja || cmake --preset $(PRESET) > /dev/null
	@cmake --build build/$(PRESET) -j $(JOBS)
	@ln -sfn release/bin build/bin

run: ## start the daemon and run a real container through the Docker API
	@tools/install_packages.sh build run
	@$(MAKE) --no-print-directory build
	@tools/first_run.sh

stop: ## end the daemon that `make run` started
	@test ! -f build/run/daemon.pid || { kill $$(cat build/run/daemon.pid) 2>/dev/null; rm -f build/run/daemon.pid; }

test: ## build and pass every test
	@tools/install_packages.sh build run test
	@$(MAKE) --no-print-directory build
	@ctest --preset $(PRESET) --output-on-failure --timeout 300 -j $(TEST_JOBS) $(CTEST_FLAGS)

test-clients: ## install compose, docker-py, testcontainers and buildx, and run their suites; writes docs/clients.md
	@tools/install_packages.sh build run test clients
	@$(MAKE) --no-print-directory build
	@tests/real_clients/run.py $(CLIENTS_FLAGS)

bench: ## measure against nginx, dockerd, podman and the bare OCI runtime
	@tools/install_packages.sh build run test
	@$(MAKE) --no-print-directory build
	@build/bin/sockerless-bench --json build/bench.json

lint: ## clang-format, clang-tidy, the layer check, the no-shell check
	@tools/install_packages.sh build test
	@tools/lint.sh

docs: ## reference pages of the client library into build/docs, without a warning
	@tools/install_packages.sh build test
	@test -f build/$(PRESET)/build.ninja || cmake --preset $(PRESET) > /dev/null
	@cmake --build build/$(PRESET) --target api_types -j $(JOBS) > /dev/null
	@tools/reference.sh build/$(PRESET)/src/api/generated build/docs
	@echo build/docs/html/index.html

coverage: ## how many lines of the client library its tests run; fails under 95 %
	@tools/install_packages.sh build run test
	@tools/coverage.sh $(JOBS)

context: ## make a docker context named `sockerless` for the default socket
	docker context create sockerless --description "Sockerless" --docker host=unix:///var/run/sockerless.sock

clean: ## remove everything that was built
	rm -rf build
