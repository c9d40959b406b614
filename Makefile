# make help lists the targets

SHELL = /bin/bash
.DEFAULT_GOAL = help
.DELETE_ON_ERROR:

PORT ?= 8080
NODES ?= 1
T ?= $(wildcard t/*.t t/fault/*.t)
J ?= 2
SANITIZE ?=
NGINX_SRC ?=
IMAGE ?= portal
SECONDS_EACH ?= 20

CC ?= gcc
CFLAGS ?= -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion \
	-Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter
HARDEN = -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -pie \
	-Wl,-z,relro,-z,now
PHOTO_LIBS = -ljpeg -lpng -lwebp -lseccomp

TOP := $(CURDIR)

# configure, as make, takes a name for several
ifneq ($(words [$(subst ',$() ,$(subst ",$() ,$(TOP)))]),1)
$(error nginx is not built in a folder whose path has a space or a quote: move $(TOP))
endif

MODULE = build/nginx/ngx_http_portal_module.so
TOOL = build/portal-tool
PHOTO = build/portal-photo
ASAN = build/sanitized/nginx

SOURCES = $(wildcard src/*.c src/*/*.c)
HEADERS = $(wildcard src/*.h src/*/*.h)
TOOL_SOURCES = $(wildcard src/crypto/*.c src/tool/*.c) src/input/portal_text.c
PHOTO_SOURCES = $(wildcard src/photo/portal_photo_*.c)
NEWS = config $(SOURCES) $(HEADERS)

export PORT NODES SANITIZE


.PHONY: help
help: ## what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / \
	{ printf "make %-13s %s\n", $$1, $$2 }' Makefile


.PHONY: run stop
run: install-run build ## start the portal with demo data; PORT=8080, NODES=2 behind a balancer
	@perl -It/lib t/lib/run start

stop: ## end what make run started
	@perl -It/lib t/lib/run stop


.PHONY: build module modules
build: module $(TOOL) $(PHOTO) ## the module and the two programs

module: $(MODULE) ## build/nginx/ngx_http_portal_module.so for Debian's nginx

modules: ## the module for another nginx: NGINX_SRC=its source directory
	@t/lib/build-module "$(NGINX_SRC)"

$(MODULE): $(NEWS) t/lib/build-module
	@t/lib/build-module

$(TOOL): $(TOOL_SOURCES) $(wildcard src/crypto/*.h) src/input/portal_text.h
	@mkdir -p build
	$(CC) -std=gnu11 $(CFLAGS) $(WARNINGS) $(HARDEN) -Isrc \
		$(TOOL_SOURCES) -o $@.new -lsodium -loath -lunistring
	@mv $@.new $@

$(PHOTO): $(PHOTO_SOURCES) $(wildcard src/photo/*.h)
	@mkdir -p build
	$(CC) -std=gnu11 $(CFLAGS) $(WARNINGS) $(HARDEN) -Isrc \
		$(PHOTO_SOURCES) -o $@.new $(PHOTO_LIBS)
	@mv $@.new $@

$(ASAN): $(NEWS) t/lib/build-sanitized
	@t/lib/build-sanitized


.PHONY: test unit fuzz
test: install-test build $(if $(SANITIZE),$(ASAN)) ## T=t/x.t for some; SANITIZE=1 for ASan and UBSan
ifdef SANITIZE
	@tests=$$(grep -l '^use Portal::Test' $(T)) || \
		{ echo 'none starts nginx, nothing for the sanitizers: $(T)'; exit 1; }; \
	PORTAL_NGINX=$(TOP)/$(ASAN) prove -It/lib -j$(J) $$tests
else
	prove -It/lib -j$(J) $(T)
endif

unit: ## the C parts alone, under the sanitizers
	@prove -It/lib t/unit.t

fuzz: install-lint ## each fuzz target for a while: SECONDS_EACH=20
	@$(MAKE) -s -j$(J) fuzz-programs


.PHONY: image test-image
image: ## the container image: IMAGE=portal
	@t/lib/image $(IMAGE)

test-image: install-image build ## builds an image and runs it; minutes
	prove -v -It/lib t/image.pl


.PHONY: lint
lint: install-lint ## gcc and clang warnings, -fanalyzer, clang-tidy, cppcheck
	@$(MAKE) -s -j$(J) lint-sources

include t/lib/lint.mk t/lib/unit.mk


.PHONY: bench
bench: install-bench build ## the measures of docs, on this machine: ONLY=peers for some
	@t/bench/run


.PHONY: install-run install-test install-bench install-image install-lint clean
install-run: ## Debian packages to build and run
	@t/install run

install-test: ## the same, to test
	@t/install test

install-bench: ## the same, for bench
	@t/install test bench

install-image: ## the same, for test-image
	@t/install run image

install-lint: ## the same, to lint and fuzz
	@t/install lint

clean: stop ## all that was built, and the private servers' files
	@perl -It/lib t/lib/run clean
	rm -rf build .run t/browser/node_modules
