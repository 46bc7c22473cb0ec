# make           builds the tools and their manual pages into bin/
# make demo      pulls a shipped image, shows it, and cleans up after itself
# make test      everything that CI runs; all output goes to bin/test.log
# make test-fast the same but for what takes long, needs root, or more than loopback: go test
#                -short; for while one works, a minute on two processors
# make soak      all cases of the tests of which make test has a sample
# make bench     Go benchmarks
# make man       the manual pages, into bin/man/
# make dist      what is released, into dist/: packaging/dist
#
# make install   what is built, into $(DESTDIR)$(PREFIX): tools, manual pages, completion,
#                units of systemd. It builds nothing, so root needs no Go.
# make uninstall removes it
# make install-compat, make uninstall-compat   the same for stand-ins of the C project's tools:
#                mkcomposefs, composefs-info, composefs-dump, $(SBINDIR)/mount.composefs

TOOLS := cfs-fetch cfs-import cfs-mkerofs cfs-link cfs-gc cfs-mount
SCRIPTS := cfs cfs-pull
# For an initramfs, into $(PREFIX)/lib/cfs.
INITRAMFS := dracut/module-setup.sh dracut/cfs-setup-root.service initramfs-tools/hook initramfs-tools/init-bottom
COMPAT := mkcomposefs composefs-info composefs-dump
PREFIX ?= /usr/local
SBINDIR ?= /sbin
GO ?= go
BIN ?= bin

# The version, the commit, and its time.
VERSION := $(shell scripts/version 2>/dev/null || echo devel)
# Where the program starts (lib/tool/start.go).
ENTRY = $(if $(filter amd64 arm64,$(shell GOOS=linux $(GO) env GOARCH)),-E cfs/lib/tool.start)
# The same sources are to become the same bytes anywhere: no paths, no stamps of Go.
GOFLAGS_BUILD = -trimpath -buildvcs=false -ldflags '-s -w $(ENTRY) \
	-X cfs/lib/tool.Version=$(word 1,$(VERSION)) -X cfs/lib/tool.Commit=$(word 2,$(VERSION))'

.PHONY: all dist test test-fast check demo soak bench man install uninstall install-compat uninstall-compat clean FORCE

all: $(TOOLS:%=$(BIN)/%) $(SCRIPTS:%=$(BIN)/%) $(BIN)/cfs-complete $(BIN)/man/cfs.1

# The go command knows best what is up to date.
$(TOOLS:%=$(BIN)/%): FORCE
	CGO_ENABLED=0 $(GO) build $(GOFLAGS_BUILD) -o $@ ./cmd/$(@F)
$(BIN)/%: scripts/%
	@mkdir -p $(BIN)
	cp $< $@
$(BIN)/man/cfs.1: $(wildcard man/*.md man/common/*.md) scripts/man
	GO="$(GO)" scripts/man $(BIN)/man
FORCE:

check:
	scripts/check

# Half of what runs at once waits, for a process or a registry.
test: all check
	scripts/fuzz
	$(GO) run ./scripts/test bin/test.log -timeout 20m -parallel 4 ./...

test-fast:
	@mkdir -p bin
	$(GO) run ./scripts/test bin/test.log -short -parallel 4 ./...

demo: all
	GO="$(GO)" scripts/demo

soak: all
	scripts/soak

bench:
	$(GO) test -run '^$$' -bench . ./...

man: $(BIN)/man/cfs.1

# What is installed: files of ours, and below PREFIX the folder for each.
ROOT = $(DESTDIR)$(PREFIX)
BASH = share/bash-completion/completions
UNITS := cfs-gc.service cfs-gc.timer cfs-pull@.service
DOCS := LICENSE README.md CHANGELOG.md
PAGES1 = $(TOOLS) $(SCRIPTS)

install:
	@for file in $(TOOLS) $(SCRIPTS) cfs-complete man/cfs.1; do [ -e $(BIN)/$$file ] || \
		{ echo "make install: there is no $(BIN)/$$file: run make first, which needs no root" >&2; exit 1; }; done
	install -d $(ROOT)/bin $(ROOT)/share/man/man1 $(ROOT)/share/man/man5 $(ROOT)/share/man/man7 $(ROOT)/$(BASH) $(ROOT)/share/cfs \
		$(ROOT)/share/zsh/site-functions $(ROOT)/share/fish/vendor_completions.d $(ROOT)/share/doc/cfs $(ROOT)/lib/systemd/system
	install -m 755 $(TOOLS:%=$(BIN)/%) $(SCRIPTS:%=$(BIN)/%) $(ROOT)/bin
	install -m 644 $(PAGES1:%=$(BIN)/man/%.1) $(ROOT)/share/man/man1
	install -m 644 $(BIN)/man/cfs-records.5 $(ROOT)/share/man/man5
	install -m 644 $(BIN)/man/cfs.7 $(ROOT)/share/man/man7
	install -m 755 $(BIN)/cfs-complete $(ROOT)/share/cfs/complete
	for tool in $(TOOLS) $(SCRIPTS); do install -m 644 scripts/completion.bash $(ROOT)/$(BASH)/$$tool && \
		install -m 644 scripts/completion.fish $(ROOT)/share/fish/vendor_completions.d/$$tool.fish || exit; done
	install -m 644 scripts/completion.zsh $(ROOT)/share/zsh/site-functions/_cfs
	install -m 644 $(UNITS:%=packaging/%) $(ROOT)/lib/systemd/system
	install -m 644 $(DOCS) $(ROOT)/share/doc/cfs
	install -d $(ROOT)/lib/cfs/dracut $(ROOT)/lib/cfs/initramfs-tools
	install -m 755 scripts/cfs-setup-root scripts/cfs-initramfs $(ROOT)/lib/cfs
	for file in $(INITRAMFS); do sed 's|/usr/local/lib/cfs|$(PREFIX)/lib/cfs|' scripts/initramfs/$$file >$(ROOT)/lib/cfs/$$file && \
		chmod 755 $(ROOT)/lib/cfs/$$file || exit; done
	chmod 644 $(ROOT)/lib/cfs/dracut/cfs-setup-root.service

uninstall:
	rm -f $(TOOLS:%=$(ROOT)/bin/%) $(SCRIPTS:%=$(ROOT)/bin/%)
	rm -f $(PAGES1:%=$(ROOT)/share/man/man1/%.1) $(ROOT)/share/man/man5/cfs-records.5 $(ROOT)/share/man/man7/cfs.7
	for tool in $(TOOLS) $(SCRIPTS); do rm -f $(ROOT)/$(BASH)/$$tool $(ROOT)/share/fish/vendor_completions.d/$$tool.fish || exit; done
	rm -f $(ROOT)/share/zsh/site-functions/_cfs $(UNITS:%=$(ROOT)/lib/systemd/system/%)
	rm -rf $(ROOT)/share/cfs $(ROOT)/share/doc/cfs $(ROOT)/lib/cfs

# mount(8) looks for helpers in /sbin, wherever PREFIX is.
HELPER = $(DESTDIR)$(SBINDIR)/mount.composefs

install-compat:
	@[ -e $(BIN)/man/mkcomposefs.1 ] || { echo "make install-compat: there is no $(BIN)/man: run make first, which needs no root" >&2; exit 1; }
	@[ ! -e $(HELPER) ] || grep -q cfs-mount $(HELPER) || \
		{ echo "make install-compat: $(HELPER) is of another package: remove that first" >&2; exit 1; }
	install -d $(ROOT)/bin $(DESTDIR)$(SBINDIR) $(ROOT)/share/man/man1 $(ROOT)/share/man/man8
	install -m 755 $(COMPAT:%=scripts/%) $(ROOT)/bin
	sed 's|^PATH=$$PATH:/usr/local/bin|PATH=$$PATH:$(PREFIX)/bin|' scripts/mount.composefs >$(HELPER)
	chmod 755 $(HELPER)
	install -m 644 $(COMPAT:%=$(BIN)/man/%.1) $(ROOT)/share/man/man1
	install -m 644 $(BIN)/man/mount.composefs.8 $(ROOT)/share/man/man8

uninstall-compat:
	rm -f $(COMPAT:%=$(ROOT)/bin/%) $(COMPAT:%=$(ROOT)/share/man/man1/%.1) $(ROOT)/share/man/man8/mount.composefs.8
	@[ ! -e $(HELPER) ] || ! grep -q cfs-mount $(HELPER) || { echo rm -f $(HELPER) && rm -f $(HELPER); }

dist:
	GO="$(GO)" packaging/dist

clean:
	rm -rf bin dist
