#!/bin/bash
# The dracut module cfs: /usr/lib/dracut/modules.d/90cfs/module-setup.sh, beside it the service.
# Use it with: dracut --add cfs. LIB is where make install has put
# cfs-setup-root; cfs-mount is in the same PREFIX.
LIB=${CFS_LIB:-/usr/local/lib/cfs}

check() { return 255; } # only if it is asked for
depends() { echo systemd; }
installkernel() { instmods erofs overlay; }
install() {
	inst_multiple mount umount mkdir rmdir tr
	inst_simple "${LIB%/lib/cfs}/bin/cfs-mount" /usr/bin/cfs-mount
	inst_simple "$LIB/cfs-setup-root" /usr/bin/cfs-setup-root
	inst_simple "$moddir/cfs-setup-root.service" "$systemdsystemunitdir/cfs-setup-root.service"
	[ ! -e /etc/composefs/setup-root-conf.toml ] || inst_simple /etc/composefs/setup-root-conf.toml /usr/lib/composefs/setup-root-conf.toml
	$SYSTEMCTL -q --root "$initdir" add-wants initrd-root-fs.target cfs-setup-root.service
}
