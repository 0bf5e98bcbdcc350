# SPDX-License-Identifier: BSD-3-Clause
# A thin front door. What is built stands in the meson.build files, how in dev/build,
# and each recipe below is one script in dev/.

prefix = /usr/local
DESTDIR ?=
ADDRESS = 127.0.0.1
PORT = 11211
ARGS =
FUZZ_SECONDS ?= 60
export prefix DESTDIR ADDRESS PORT FUZZ_SECONDS

.PHONY: build run test bench lint format sanitize fuzz coverage install clean help
.DEFAULT_GOAL := build

build: ## build the programs into build/bin (the default)
	@dev/build release

run: ## install what is missing, build, serve on 127.0.0.1:11211 (PORT=, ADDRESS=, ARGS='-m 1024')
	@dev/install-deps build
	@dev/build release
	@dev/run $(ARGS)

test: ## install what is missing, build, run every test
	@dev/install-deps build test
	@dev/test release

bench: ## the standard workloads, beside memcached; half an hour (ARGS=--quick, PEER=another server)
	@dev/install-deps build test
	@dev/build release
	@bench/suite $(ARGS)

lint: ## format, arrows, sizes, clang-tidy, cppcheck, shellcheck, spelling, manuals, links
	@dev/install-deps build test lint
	@dev/lint

format: ## let clang-format write the C files
	@dev/check-format --fix

sanitize: ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer, then ThreadSanitizer
	@dev/install-deps build test sanitize
	@dev/test --quick asan
	@dev/test --quick tsan

fuzz: ## run each fuzz target for FUZZ_SECONDS (60)
	@dev/install-deps build sanitize
	@dev/fuzz

coverage: ## which lines the tests reach: a summary, and build/coverage/html/index.html
	@dev/install-deps build test coverage
	@dev/coverage

install: build ## install into DESTDIR/prefix (/usr/local)
	@meson install -C build/release --no-rebuild --quiet

clean: ## remove build/
	@rm -rf build

help: ## these lines
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name text; do \
		printf '  make %-9s %s\n' "$$name" "$$text"; done
