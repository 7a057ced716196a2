# tlsd: what is built, tested, measured and installed, and how. `make help` lists the targets.
#
# One test, on this machine's kernel:   make test-native FILTER='UserRecordLayer.*closeNotify'

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := build

PREFIX ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= /etc
FILTER ?=
BENCH ?=
bindir := $(DESTDIR)$(PREFIX)/bin
unitdir := $(DESTDIR)$(PREFIX)/lib/systemd/system
mandir := $(DESTDIR)$(PREFIX)/share/man
bashdir := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zshdir := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
fishdir := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
programs := xfer xferd tlscd tlssd
daemons := xferd tlscd tlssd

# What Debian packages are needed: to build; and to test and to measure besides
build_packages := libssl-dev libtirpc-dev libxxhash-dev libsqlite3-dev rpcsvc-proto pkg-config
# Wide AES-GCM is for processors that have it, and the package for their architecture alone
ifeq ($(shell uname -m),x86_64)
build_packages += libipsec-mb-dev
endif
test_packages := user-mode-linux kmod iproute2 util-linux strace openssl rpcbind libnfs-utils tmux zsh fish groff-base mandoc
peer_packages := debootstrap e2fsprogs patchelf
bench_packages := curl nginx-light openssl openssh-client openssh-server rsync stunnel4 gnuplot-nox

# $(call install_packages,PACKAGE ...): those of them that are missing, and no call of apt at all if none is
define install_packages
	@missing=$$(for package in $(1); do \
	    [[ $$(dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null) == installed ]] || echo $$package; \
	done | xargs); \
	if [[ -z $$missing ]]; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
	    echo "make: needed, and there is no apt-get to install them with: $$missing" >&2; exit 1; fi; \
	if ((EUID == 0)); then as=; \
	elif command -v sudo >/dev/null; then as=sudo; \
	else echo "make: needed: $$missing. As root: apt-get install $$missing" >&2; exit 1; fi; \
	echo "== installing $$missing"; \
	$$as apt-get update -q && $$as env DEBIAN_FRONTEND=noninteractive \
	    apt-get install -q -y --no-install-recommends $$missing
endef

.PHONY: help
help: ## what the targets are
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: deps deps-build deps-peer deps-bench
deps-build:
	$(call install_packages,$(build_packages))
deps: ## install the Debian packages that building and testing need, if any is missing
	$(call install_packages,$(build_packages) $(test_packages))
deps-peer:
	$(call install_packages,$(test_packages) $(peer_packages))
deps-bench:
	$(call install_packages,$(build_packages) $(bench_packages))

.PHONY: check-protocol
check-protocol: deps-build
	Protocol/generate --check

.PHONY: build
build: check-protocol ## the four programs, for release, with Swift's run-time library in them
	swift build -c release --static-swift-stdlib

# Where the programs are that are installed, and whose help the manual is made of
built := .build/release
date = $(shell git log -1 --format=%cs README.md 2>/dev/null)
.PHONY: man completions
man: ## the manual pages, in .build/man; run `make build` first
	rm -rf .build/man
	$(built)/manual --readme README.md --output .build/man \
	    $(if $(date),--date $(date)) $(addprefix $(built)/,$(programs))

completions: ## completions for bash, zsh and fish, in .build/completions; run `make build` first
	@rm -rf .build/completions && mkdir -p .build/completions
	@for program in $(programs); do for shell in bash zsh fish; do \
	    $(built)/$$program --generate-completion-script $$shell >.build/completions/$$program.$$shell || exit 1; \
	done; done

.PHONY: build-tests
build-tests: deps
	swift build --build-tests

.PHONY: demo
demo: build ## push and fetch real files on this machine, and compare
	Tests/demo/run

# The labs have one processor each, and take as long as they take: both at once. What each said comes when it has ended
labs = test-ktls $(if $(or $(if $(FILTER),,all),$(findstring Interop,$(FILTER))),test-peer)

.PHONY: test
test: build-tests deps-peer ## the whole suite: on this machine's kernel, on one with kernel TLS, beside Linux's own NFS
	@echo "== 1 of 2: on this machine's kernel, $$(uname -r)"
	@Tests/Lab/run-tests "$(FILTER)"
	@echo "== 2 of 2, at once, each shown when it has ended: $(labs)"
	@$(MAKE) --no-print-directory -j2 --output-sync=target $(labs)
	@echo "== passed: on this machine's kernel, on one with kernel TLS, and beside Linux's own NFS client and server"

.PHONY: test-native
test-native: build-tests ## the suite on this machine's kernel only (FILTER=regex for some of it)
	@Tests/Lab/run-tests "$(FILTER)"

.PHONY: test-ktls
test-ktls: build-tests ## the suite on a kernel with kernel TLS only
	@echo "== on a kernel with kernel TLS"
	@Tests/Lab/ktls-lab --timeout 3000 -- Tests/Lab/run-tests "$(FILTER)"

.PHONY: test-peer
test-peer: build-tests deps-peer ## in mounts of Linux's own NFS client, and against its server (FILTER=regex for some)
	@echo "== in mounts of Linux's own NFS client, and against its server"
	@Tests/Lab/peer-lab --timeout 2400 -- Tests/Lab/run-tests "$(or $(FILTER),InteropTests)"

.PHONY: test-rekey
test-rekey: build-tests deps-peer ## the KeyUpdate tests on a kernel that can rekey
	@echo "== on a kernel whose kernel TLS can rekey"
	@Tests/Lab/peer-lab --kernel unstable --timeout 1200 -- Tests/Lab/run-tests "$(or $(FILTER),[Kk]ey(Update|Limit)|[Rr]ekey)"

.PHONY: bench
bench: deps-bench build ## xfer beside curl and nginx, scp, rsync, cp (BENCH=options); the report is .build/bench/report.html
	$(built)/bench peers $(BENCH)

.PHONY: bench-steps
bench-steps: deps-bench build ## where the time of a get and a put goes, and how near the machine's limit they are
	$(built)/bench steps $(BENCH)

.PHONY: bench-ktls
bench-ktls: deps deps-bench build ## kernel TLS beside nginx's, in the lab where this kernel has none
	$(built)/bench ktls $(BENCH)

.PHONY: bench-growth
bench-growth: deps-bench build ## what a GB, a file, a client, a round trip cost as there are more (takes long, and memory)
	$(built)/bench growth $(BENCH)

# XCTest has no test here, and leaks: the leak checker would fail for that. The thread sanitizer is not offered: it does not
# know the futex that Synchronization.Mutex is made of, and sees races that are none.
.PHONY: sanitize
sanitize: deps ## the suite under the address sanitizer
	swift test --disable-xctest --sanitize address --scratch-path .build-address $(if $(FILTER),--filter "$(FILTER)")

.PHONY: format-check
format-check: ## what swift-format would change
	swift format lint --recursive --parallel Package.swift Sources Daemons Tests

.PHONY: install
install: ## programs, service units, users, manual pages, completions, under PREFIX; run `make build` first
	@for program in $(programs) manual; do [[ -x $(built)/$$program ]] || \
	    { echo "make: $(built)/$$program is not built: make build" >&2; exit 1; }; done
	@$(MAKE) --no-print-directory man completions
	install -d $(bindir) $(unitdir) $(DESTDIR)$(SYSCONFDIR)/default \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	install -d -m 755 $(DESTDIR)$(SYSCONFDIR)/tlsd
	install -m 755 $(addprefix $(built)/,$(programs)) $(bindir)
	install -d $(mandir)/man1 $(mandir)/man5 $(mandir)/man8 $(bashdir) $(zshdir) $(fishdir)
	@for section in 1 5 8; do install -m 644 .build/man/man$$section/* $(mandir)/man$$section || exit 1; done
	@for program in $(programs); do \
	    install -m 644 .build/completions/$$program.bash $(bashdir)/$$program && \
	    install -m 644 .build/completions/$$program.zsh $(zshdir)/_$$program && \
	    install -m 644 .build/completions/$$program.fish $(fishdir)/$$program.fish || exit 1; \
	done
	@# An administrator's options and exports are kept
	@for daemon in $(daemons); do \
	    sed 's|/usr/local/bin/|$(PREFIX)/bin/|' Daemons/$$daemon/$$daemon.service >$(unitdir)/$$daemon.service && \
	    chmod 644 $(unitdir)/$$daemon.service || exit 1; \
	    options=$(DESTDIR)$(SYSCONFDIR)/default/$$daemon; \
	    [[ -e $$options ]] || install -m 644 Daemons/$$daemon/$$daemon.default $$options || exit 1; \
	done
	@exports=$(DESTDIR)$(SYSCONFDIR)/tlsd/exports; \
	    [[ -e $$exports ]] || install -m 644 Daemons/xferd/exports.sample $$exports
	@# The daemons' sockets stand in one directory that neither may clear of the other's
	@printf '%s\n' 'g tlsd -' 'u tlssd -:tlsd "TLS handshakes, server side"' \
	    'u tlscd -:tlsd "TLS handshakes, client side"' 'u xferd - "File server"' \
	    >$(DESTDIR)$(PREFIX)/lib/sysusers.d/tlsd.conf
	@echo 'd /run/tlsd 1775 root tlsd' >$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/tlsd.conf
	@if [[ -z "$(DESTDIR)" ]] && command -v systemd-sysusers >/dev/null; then \
	    systemd-sysusers $(PREFIX)/lib/sysusers.d/tlsd.conf && \
	    systemd-tmpfiles --create $(PREFIX)/lib/tmpfiles.d/tlsd.conf; \
	else echo "make: the users tlssd, tlscd, xferd and /run/tlsd come with systemd-sysusers and systemd-tmpfiles"; fi

.PHONY: uninstall
uninstall: ## takes away what install put there, but for /etc and the users
	rm -f $(addprefix $(bindir)/,$(programs)) $(foreach daemon,$(daemons),$(unitdir)/$(daemon).service)
	rm -f $(mandir)/man1/xfer.1 $(mandir)/man1/xfer-*.1 $(mandir)/man5/xferd-exports.5
	rm -f $(foreach daemon,$(daemons),$(mandir)/man8/$(daemon).8)
	rm -f $(addprefix $(bashdir)/,$(programs)) $(addprefix $(zshdir)/_,$(programs))
	rm -f $(foreach program,$(programs),$(fishdir)/$(program).fish)
	rm -f $(DESTDIR)$(PREFIX)/lib/sysusers.d/tlsd.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/tlsd.conf

.PHONY: clean
clean: ## what was built (the labs' cache stays: ~/.cache/tlsd-lab)
	rm -rf .build .build-address
