# boot.mk - build a bootable disk from layers, with the image sealed into a unified kernel image (UKI)
#
#	make -f boot.mk STUB=… KERNEL=… INITRD=… CMDLINE="root=LABEL=root rw"
#
#	layers/*.tar*      are the layers, in the order of their names; they contain /boot,
#	                   /sysroot, /etc, /var and /usr
#	out/repo           contains the image NAME: the layers, and one more with the UKI in /boot
#	out/esp            is the directory that the boot loader reads
#	out/esp.img        is the same as an EFI system partition
#
# Each step runs when its input changes; unchanged results do not trigger the next step. To sign
# for Secure Boot, run sbsign after objcopy: the digest does not depend on the UKI.

NAME := system
OUT := out
MIB := 64
STUB := /usr/lib/systemd/boot/efi/linuxx64.efi.stub
KERNEL := /boot/vmlinuz
INITRD := $(OUT)/initrd
CMDLINE :=
HERE := $(dir $(lastword $(MAKEFILE_LIST)))

export COMPOSEFS_REPO := $(OUT)/repo

layers := $(sort $(wildcard layers/*.tar*))
records := $(layers:%=$(OUT)/%.layer)

.PHONY: all
.DELETE_ON_ERROR:
all: $(OUT)/esp.img

$(OUT)/repo/meta.json:
	mkdir -p $(OUT)/layers
	cfs-import --init --insecure

$(OUT)/layers/%.layer: layers/% | $(OUT)/repo/meta.json
	cfs-import --progress none $< >$@

# The command line, with the digest of the boot image. The digest does not cover /boot, so
# it is known before the UKI is built.
$(OUT)/cmdline: $(records) layers
	$(HERE)image-of-layers.sh $(NAME) $(records)
	cfs-link show $(NAME) | cfs-mkerofs --bootable | cfs-link --tag $(NAME) >/dev/null
	printf '%s %s' "$$(cfs-mkerofs karg --require-verity $(NAME))" '$(CMDLINE)' >$@.new
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# objcopy needs an address for each section: the pages after those of the stub. The kernel is last.
$(OUT)/uki.efi: $(OUT)/cmdline $(STUB) $(KERNEL) $(INITRD)
	end=0; for section in $$(objdump -h $(STUB) | awk '$$1 ~ /^[0-9]+$$/ {print $$3 ":" $$4}'); do \
		next=$$((0x$${section%:*} + 0x$${section#*:})); [ $$next -le $$end ] || end=$$next; done; \
	set --; for file in cmdline=$(OUT)/cmdline initrd=$(INITRD) linux=$(KERNEL); do \
		end=$$(((end + 4095) / 4096 * 4096)); \
		set -- "$$@" --add-section ".$$file" --change-section-vma ".$${file%%=*}=$$end"; \
		end=$$((end + $$(stat -L -c %s "$${file#*=}"))); done; \
	objcopy "$$@" $(STUB) $@

# The last layer contains only /boot.
$(OUT)/layers/boot.tar: $(OUT)/uki.efi
	mkdir -p $(OUT)/tree/boot/EFI/Linux
	cp $< $(OUT)/tree/boot/EFI/Linux/$(NAME).efi
	tar -c -C $(OUT)/tree --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner -f $@ boot

$(OUT)/layers/boot.layer: $(OUT)/layers/boot.tar
	cfs-import --progress none $< >$@

# The image is complete, and the UKI names it.
$(OUT)/entry: $(records) $(OUT)/layers/boot.layer
	$(HERE)image-of-layers.sh $(NAME) $^
	cfs-link show $(NAME) | cfs-mkerofs --bootable | cfs-link --tag $(NAME) >/dev/null
	cfs-mkerofs boot-entries --check $(NAME) >/dev/null
	cfs-link boot-install --bootdir $(OUT)/esp --entry-id $(NAME) --state none $(NAME) >$@

$(OUT)/esp.img: $(OUT)/entry
	truncate -s 0 $@.new && truncate -s $(MIB)M $@.new
	mformat -i $@.new -F -v ESP ::
	mcopy -Q -s -i $@.new $(OUT)/esp/* ::/
	mv $@.new $@
