#!/bin/sh
# mirror.sh - make the tags of a repository those of a list
#
# usage: mirror.sh LIST
#
# LIST has a line for each image: its source, a space, its tag. Images that are there
# and did not change cost nearly nothing. Tags that are not in LIST go, and with them
# what no other image needs. The repository is the one of $COMPOSEFS_REPO, and must
# exist. Fails, and collects nothing, if an image could not be pulled.
set -eu
list=${1:?LIST}

# First part, run by the second one below: nobody can collect while it runs. So what
# was stored for a tag that moves is still there for the next image that shares it.
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

# All is there: remove the tags that the list does not have, then what they kept.
cfs-link ls | cut -f1 | while read -r name; do
	cut -d' ' -f2- "$list" | grep -qxF -e "$name" || cfs-link untag "$name"
done
cfs-gc
