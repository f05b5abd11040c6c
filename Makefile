# belle-tools: what people run. `make demo` and `make test` do everything on a fresh Debian with Swift.
#
#   make demo      decrypts and verifies the miniature release in Examples/
#   make test      builds and runs all tests
#   make release   one optimized binary, Swift's libraries inside
#   make install   that binary and its shell completions, below PREFIX (/usr/local)
#   make bench     measures decrypt and verify against this machine's own ceilings
#   make fuzz      fuzzes the parsers, FUZZ_TIME seconds each (60)
#   make interop   holds our files against PyTorch, safetensors and other peers, where they are installed

SWIFT ?= swift
PREFIX ?= /usr/local
DESTDIR ?=
BENCH_ARGUMENTS ?=

# Debian's packages that the build needs, and the file that tells that each is there.
PACKAGES = libssl-dev zlib1g-dev libopenblas-dev libsentencepiece-dev pkg-config
RELEASE_FLAGS = -c release
ifeq ($(shell uname -s),Linux)
  RELEASE_FLAGS += --static-swift-stdlib
endif
BINARY = .build/release/belle-tools

# For `--version`; a `+` where something was changed since.
export BELLE_COMMIT := $(shell git describe --always --abbrev=10 --exclude='*' --dirty=+ 2>/dev/null)

# What knows no command line.
LIBRARIES = $(filter-out Sources/belle-tools Sources/belle-bench,$(wildcard Sources/*))

.PHONY: demo test bench fuzz interop release build install uninstall completions lint format packages clean

demo: release
	@BELLE_TOOLS=$(BINARY) Scripts/demo.sh

test: packages
	$(SWIFT) build --build-tests
	@SWIFT="$(SWIFT)" Scripts/test.sh

bench: release
	.build/release/belle-bench $(BENCH_ARGUMENTS)

# FUZZ_PARSERS names some of them; by default all.
FUZZ_TIME ?= 60
FUZZ_PARSERS ?=

fuzz: packages
	@SWIFT="$(SWIFT)" Scripts/fuzz.sh $(FUZZ_TIME) $(FUZZ_PARSERS)

# Pythons that have the peers, separated by colons; without it those on the PATH.
INTEROP_PYTHON ?=
INTEROP_TOPICS ?=

interop: release
	@BELLE_TOOLS=$(CURDIR)/$(BINARY) BELLE_PYTHON=$(INTEROP_PYTHON) python3 Scripts/interop/run.py $(INTEROP_TOPICS)

build release: packages
	$(SWIFT) build $(RELEASE_FLAGS)

completions: release
	@mkdir -p completions
	$(BINARY) --generate-completion-script bash > completions/belle-tools.bash
	$(BINARY) --generate-completion-script zsh > completions/_belle-tools
	$(BINARY) --generate-completion-script fish > completions/belle-tools.fish

install: completions
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/belle-tools
	-strip $(DESTDIR)$(PREFIX)/bin/belle-tools
	install -m 644 completions/belle-tools.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/belle-tools
	install -m 644 completions/_belle-tools $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_belle-tools
	install -m 644 completions/belle-tools.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/belle-tools.fish

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/belle-tools \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/belle-tools \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_belle-tools \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/belle-tools.fish

# The style, and that no room and no folder knows one that knows it.
lint:
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests
	@if command -v python3 >/dev/null; then python3 Scripts/cycles.py && python3 Scripts/lengths.py \
	  && python3 Scripts/json-fields.py --check; \
	else echo "cycles, lengths, fields: skipped, there is no python3"; fi
	@if grep -rnE --include='*.swift' -e '--[a-z]+|belle-tools ' $(LIBRARIES); then \
	  echo "options and verbs are named by the command line alone: see Request in Sources/ByteIO/Remedy.swift"; exit 1; fi

format:
	$(SWIFT) format --in-place --recursive Package.swift Sources Tests

packages:
	@Scripts/packages.sh $(PACKAGES)

clean:
	rm -rf .build .build-fuzz completions demo-output
