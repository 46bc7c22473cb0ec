# make           builds the tools into bin/
# make demo      pulls a shipped image, shows it, and cleans up after itself
# make test      everything that CI runs; all output goes to bin/test.log
# make test-fast the same but for what takes long, needs root, or more than loopback: go test
#                -short; for while one works, a minute on two processors
# make man       the manual pages, into bin/man/
# make install   tools, manual pages and completion, into $(DESTDIR)$(PREFIX)
# make soak      all cases of the tests of which make test has a sample
# make bench     Go benchmarks

TOOLS := cfs-fetch cfs-import cfs-mkerofs cfs-link cfs-gc cfs-mount
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
PREFIX ?= /usr/local
GO ?= go
GOFLAGS_BUILD := -trimpath -ldflags '-s -w -X cfs/lib/tool.Version=$(VERSION)'

.PHONY: all test test-fast check demo soak bench man install clean FORCE

all: $(TOOLS:%=bin/%) bin/cfs-pull

# The go command knows best what is up to date.
bin/cfs-pull: scripts/cfs-pull
	@mkdir -p bin
	cp $< $@
bin/%: FORCE
	CGO_ENABLED=0 $(GO) build $(GOFLAGS_BUILD) -o $@ ./cmd/$*
FORCE:

check:
	scripts/check

# Half of what runs at once waits, for a process or a registry.
test: all check
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

man:
	GO="$(GO)" scripts/man

SHARE = $(DESTDIR)$(PREFIX)/share
COMPLETION = $(SHARE)/bash-completion/completions

install: all man
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/man/man1 $(SHARE)/man/man5 $(COMPLETION)
	install -m 755 $(TOOLS:%=bin/%) bin/cfs-pull $(DESTDIR)$(PREFIX)/bin
	install -m 644 bin/man/*.1 $(SHARE)/man/man1
	install -m 644 bin/man/*.5 $(SHARE)/man/man5
	for tool in $(TOOLS) cfs-pull; do install -m 644 scripts/completion.bash $(COMPLETION)/$$tool || exit; done

clean:
	rm -rf bin
