#!/bin/sh
# image-of-layers.sh - build a container image from layers in the repository
#
# usage: image-of-layers.sh NAME RECORD...
#
# Each RECORD is a file with the output of cfs-import for a layer, the lowest layer first.
# The script generates config and manifest, and pipes the records into the later stages. The
# image is tagged NAME in the repository of $COMPOSEFS_REPO.
set -eu
name=${1:?NAME}
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# value prints the value of a key in the record of a layer; digest prints the layer's digest.
value() {
	sed -n "s/^layer \(.* \)\{0,1\}$1=\([^ ]*\).*/\2/p" "$2"
}
digest() {
	sed -n 's/^layer \([^ ]*\).*/\1/p' "$1"
}

diff_ids='' layers=''
for record; do
	case $record in
	*.gz.layer) type=tar+gzip ;;
	*.zst.layer) type=tar+zstd ;;
	*) type=tar ;;
	esac
	diff_ids=$diff_ids${diff_ids:+,}\"$(value diff-id "$record")\"
	layers=$layers${layers:+,}$(printf '{"mediaType":"application/vnd.oci.image.layer.v1.%s","digest":"%s","size":%s}' \
		"$type" "$(digest "$record")" "$(value size "$record")")
done

# document saves a document of the image, and prints its digest and size.
document() {
	printf %s "$2" >"$dir/$1"
	printf 'sha256:%s %s\n' "$(sha256sum <"$dir/$1" | cut -d' ' -f1)" "${#2}"
}
config=$(document config "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[$diff_ids]}}")
config_type=application/vnd.oci.image.config.v1+json
manifest_type=application/vnd.oci.image.manifest.v1+json
manifest=$(document manifest "{\"schemaVersion\":2,\"mediaType\":\"$manifest_type\",\"config\":{\"mediaType\":\"$config_type\",\"digest\":\"${config% *}\",\"size\":${config#* }},\"layers\":[$layers]}")

{
	cat "$@"
	echo "config ${config% *} media-type=$config_type size=${config#* } path=$dir/config"
	echo "manifest ${manifest% *} media-type=$manifest_type size=${manifest#* } path=$dir/manifest"
} | cfs-mkerofs | cfs-link --tag "$name" >/dev/null
