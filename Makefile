# SPDX-License-Identifier: ISC
# Warren.  Works with GNU make and bmake.
#
#   make            build everything            make check    the whole test suite
#   make deps       install what is missing     make lint     linters, manual pages
#   make run        one node, in the foreground make pure     prove the cores pure
#   make demo       three nodes that meet       make bench    ratios against peers
#   make install    DESTDIR= PREFIX=            make fuzz     FUZZ_S= seconds each
#   make sim        many cores, virtual time    make sim-bench   at full size
#   make soak       half an hour of crashes and kills
#   make uninstall  make dist  make clean

VERSION = 0.1.0
B = build
FUZZ_S = 60
DESTDIR =
PREFIX = /usr/local
SYSCONFDIR = /etc
LOCALSTATEDIR = /var
SBINDIR = $(PREFIX)/sbin
LIBEXECDIR = $(PREFIX)/libexec/warren
MANDIR = $(PREFIX)/share/man
COMPDIR = $(PREFIX)/share/bash-completion/completions
BUILD = $(MAKE) -f mk/build.mk B=$(B)

all:
	@sh ./configure $(B)
	@$(BUILD) programs

deps:
	@sh mk/deps.sh build check

run:
	@sh mk/deps.sh build
	@$(MAKE) B=$(B) all >$(B).log 2>&1 || { tail -n 20 $(B).log; exit 70; }
	@rm -f $(B).log
	@sh mk/run.sh $(B)

demo:
	@sh mk/deps.sh build
	@$(MAKE) B=$(B) all >$(B).log 2>&1 || { tail -n 20 $(B).log; exit 70; }
	@rm -f $(B).log
	@sh mk/demo.sh $(B)

check:
	@sh tests/check.sh

unit:
	@sh ./configure $(B)
	@$(BUILD) unit
	@sh tests/unit.sh $(B)

lint:
	@sh tests/lint.sh $(B)

pure:
	@sh ./configure $(B)
	@$(BUILD) $(B)/all.a
	@sh tests/pure.sh $(B)

bench:
	@sh mk/deps.sh build
	@sh mk/deps.sh bench || echo "bench  goes on without them"
	@sh ./configure $(B)
	@$(BUILD) programs tools
	@sh tests/bench/bench.sh $(B)

sim:
	@sh ./configure $(B)
	@$(BUILD) $(B)/tests/sim/sim
	@sh tests/sim/sim.sh $(B)

sim-bench:
	@sh ./configure $(B)
	@$(BUILD) $(B)/tests/sim/sim
	@sh tests/sim/bench.sh $(B)

soak:
	@sh ./configure $(B)
	@$(BUILD) programs unit tools
	@sh tests/soak.sh $(B)

fuzz:
	@CC=clang SANITIZE=yes FUZZ=yes sh ./configure build-fuzz
	@$(MAKE) -f mk/build.mk B=build-fuzz fuzzers
	@sh tests/fuzz/fuzz.sh build-fuzz $(FUZZ_S)

install: all
	sh mk/install.sh "$(DESTDIR)" "$(PREFIX)" "$(SYSCONFDIR)" \
	    "$(LOCALSTATEDIR)" $(B)

uninstall:
	sh mk/install.sh -u "$(DESTDIR)" "$(PREFIX)" "$(SYSCONFDIR)" \
	    "$(LOCALSTATEDIR)" $(B)

dist:
	git archive --format=tar.gz --prefix=warren-$(VERSION)/ \
	    -o warren-$(VERSION).tar.gz HEAD

clean:
	rm -rf build build-* build.log warren-$(VERSION).tar.gz

.PHONY: all deps run demo check unit lint pure bench sim sim-bench soak fuzz \
	install uninstall dist clean
