# belle-tools: what people run. `make demo` and `make test` do everything on a fresh Debian with Swift; `make` says what
# there is.

SWIFT ?= swift
PREFIX ?= /usr/local
DESTDIR ?=
INSTALLED = $(DESTDIR)$(PREFIX)
BENCH_ARGUMENTS ?=

# Debian's packages that the build and the tests need, and the file that tells that each is there.
PACKAGES = libssl-dev zlib1g-dev libopenblas0 libsentencepiece0 pkg-config
# What some tests need, and are skipped without.
TEST_PACKAGES = openmpi-bin
RELEASE_FLAGS = -c release
# What every verb needs goes into the binary: Swift's libraries, libcrypto and zlib (Documentation/packaging.md).
STATIC = .build/static
ifeq ($(shell uname -s),Linux)
  RELEASE_FLAGS += --static-swift-stdlib
  build: export PKG_CONFIG_PATH := $(CURDIR)/$(STATIC)$(if $(PKG_CONFIG_PATH),:$(PKG_CONFIG_PATH))
endif
BINARY = .build/release/belle-tools
# What is installed beside the binary: completions and manual pages, made by the binary.
SHARE = .build/share
PACKAGING = Scripts/packaging

# For `--version`; a `+` where something was changed since. Nothing is written for it: root may be asking.
export BELLE_COMMIT := $(shell GIT_OPTIONAL_LOCKS=0 git describe --always --abbrev=10 --exclude='*' --dirty=+ 2>/dev/null)
# The date of packages and manual pages, so that the same source gives the same bytes.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date +%s)

# What knows no command line.
LIBRARIES = $(filter-out Sources/belle-tools Sources/belle-bench,$(wildcard Sources/*))

.DEFAULT_GOAL = help
.PHONY: help demo test bench fuzz interop release build share install uninstall deb image golden lint format packages clean

# Lines that begin with two signs stand before what they tell of.
help:
	@echo "make …"; awk '/^## /{text = substr($$0, 4)} /^[a-z-]+[a-z -]*:/{if (text != "") {printf "  %-10s %s\n", \
	  substr($$1, 1, index($$1 ":", ":") - 1), text; text = ""}}' $(firstword $(MAKEFILE_LIST))

## decrypts, verifies, quantizes and runs the miniature release in Examples/
demo: release
	@BELLE_TOOLS=$(BINARY) Scripts/demo.sh

## builds and runs all tests
test: packages
	@Scripts/packages.sh $(addprefix ?,$(TEST_PACKAGES))
	$(SWIFT) build --build-tests
	@SWIFT="$(SWIFT)" Scripts/test.sh

## measures against this machine's own ceilings
bench: release
	.build/release/belle-bench $(BENCH_ARGUMENTS)

# FUZZ_PARSERS names some of them; by default all.
FUZZ_TIME ?= 60
FUZZ_PARSERS ?=

## fuzzes the parsers, FUZZ_TIME seconds each (60)
fuzz: packages
	@SWIFT="$(SWIFT)" Scripts/fuzz.sh $(FUZZ_TIME) $(FUZZ_PARSERS)

# Pythons that have the peers, separated by colons; without it those on the PATH.
INTEROP_PYTHON ?=
INTEROP_TOPICS ?=

## holds our files against PyTorch, safetensors, llama.cpp, plain Debian and other peers, where they are
interop: release
	@BELLE_TOOLS=$(CURDIR)/$(BINARY) BELLE_PYTHON=$(INTEROP_PYTHON) python3 Scripts/interop/run.py $(INTEROP_TOPICS)

## one optimized binary, its completions and its manual pages
release: build
	@$(MAKE) --no-print-directory share

build: packages
	@$(PACKAGING)/static.sh $(STATIC)
	$(SWIFT) build $(RELEASE_FLAGS)

share:
	@mkdir -p $(SHARE)/man
	@$(BINARY) --generate-completion-script bash > $(SHARE)/belle-tools.bash
	@$(BINARY) --generate-completion-script zsh > $(SHARE)/_belle-tools
	@$(BINARY) --generate-completion-script fish > $(SHARE)/belle-tools.fish
	@if command -v python3 >/dev/null; then python3 $(PACKAGING)/manuals.py $(BINARY) $(SHARE)/man; \
	else echo "manual pages: skipped, there is no python3"; fi

## what was built, below PREFIX (/usr/local) or DESTDIR; builds nothing, so that root may do it
install:
	@test -x $(BINARY) -a -f $(SHARE)/belle-tools.bash || { \
	  echo "error: there is nothing built to install" >&2; \
	  echo "hint: make release first, as yourself; then make install, as root where PREFIX wants that" >&2; exit 1; }
	install -d $(INSTALLED)/bin $(INSTALLED)/share/bash-completion/completions \
	  $(INSTALLED)/share/zsh/site-functions $(INSTALLED)/share/fish/vendor_completions.d $(INSTALLED)/share/man/man1
	install -m 755 $(BINARY) $(INSTALLED)/bin/belle-tools
	-strip $(INSTALLED)/bin/belle-tools
	install -m 644 $(SHARE)/belle-tools.bash $(INSTALLED)/share/bash-completion/completions/belle-tools
	install -m 644 $(SHARE)/_belle-tools $(INSTALLED)/share/zsh/site-functions/_belle-tools
	install -m 644 $(SHARE)/belle-tools.fish $(INSTALLED)/share/fish/vendor_completions.d/belle-tools.fish
	@for page in $(SHARE)/man/*.1; do test ! -f $$page || install -m 644 $$page $(INSTALLED)/share/man/man1/; done

## removes what install has put there
uninstall:
	rm -f $(INSTALLED)/bin/belle-tools \
	  $(INSTALLED)/share/bash-completion/completions/belle-tools \
	  $(INSTALLED)/share/zsh/site-functions/_belle-tools \
	  $(INSTALLED)/share/fish/vendor_completions.d/belle-tools.fish \
	  $(INSTALLED)/share/man/man1/belle-tools.1 $(INSTALLED)/share/man/man1/belle-tools-*.1

## a Debian package of it: .build/packages/belle-tools_*.deb
deb: release
	@$(PACKAGING)/deb.sh $(BINARY) .build/packages

## an OCI image of plain Debian with that package; wants root, debootstrap and umoci, and no engine
image: deb
	@$(PACKAGING)/image.sh .build/packages

## records the help of all verbs anew, which tests hold
golden:
	$(SWIFT) build --product belle-tools
	@Scripts/golden.sh .build/debug/belle-tools

# And that no room and no folder knows one that knows it.
## the style
lint:
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests
	@if command -v python3 >/dev/null; then python3 Scripts/cycles.py --files && python3 Scripts/lengths.py \
	  && python3 Scripts/json-fields.py --check; \
	else echo "cycles, lengths, fields: skipped, there is no python3"; fi
	@if grep -rnE --include='*.swift' -e '--[a-z]+|belle-tools ' $(LIBRARIES); then \
	  echo "options and verbs are named by the command line alone: see Request in Sources/ByteIO/Remedy.swift"; exit 1; fi

## formats the source
format:
	$(SWIFT) format --in-place --recursive Package.swift Sources Tests

packages:
	@Scripts/packages.sh $(PACKAGES)

## removes what was built
clean:
	rm -rf .build .build-fuzz demo-output
