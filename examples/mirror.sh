#!/bin/sh
# mirror.sh - synchronize the tags of a repository with a list
#
# usage: mirror.sh LIST
#
# LIST has a line for each image: its source, a space, its tag. Existing images that
# did not change cost next to nothing. Tags that are not in LIST are removed, with the
# data that no other image needs. The repository is the one of $COMPOSEFS_REPO, and must
# exist. If a pull fails, the script fails, and removes nothing.
set -eu
list=${1:?LIST}

# First part, run by the second one below, while no garbage collection can start. So the
# old data of a tag that moves is still there for the next image that shares it.
if [ -n "${MIRROR_INHIBITED-}" ]; then
	failed=0
	while read -r source name; do
		cfs-pull --progress none "$source" "$name" >/dev/null </dev/null || {
			echo "mirror: $name: status $?" >&2
			failed=1
		}
	done <"$list"
	exit $failed
fi

MIRROR_INHIBITED=1 cfs-gc inhibit -- "$0" "$list"

# All images are stored: remove the tags that are not in the list, then their data.
cfs-link ls | cut -f1 | while read -r name; do
	cut -d' ' -f2- "$list" | grep -qxF -e "$name" || cfs-link untag "$name"
done
cfs-gc
