# image.mk - build an EROFS image from a dumpfile
#
#	make -f image.mk         tree.erofs, and its fs-verity digest in tree.digest
#	make -f image.mk check   compare the image with the dumpfile
#	make -f image.mk mount   mount it at mnt, as root
#
# tree.dump contains only small files, which are stored in the image itself. For larger ones
# store the content below objects/, by its fs-verity digest, and name it in the dumpfile.

VERSION := 1

tree.digest: tree.erofs
tree.erofs: tree.dump
	cfs-mkerofs --dumpfile $< --hash sha256 --erofs-version $(VERSION) -o $@ >tree.digest

.PHONY: check mount
check: tree.erofs
	cfs-mkerofs dump ./$< | diff tree.dump -

mount: tree.erofs
	mkdir -p mnt objects
	cfs-mount -o basedir=objects ./$< mnt
