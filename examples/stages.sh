#!/bin/sh
# stages.sh - pull an image stage by stage, and keep what passes between the stages
#
# usage: stages.sh SOURCE NAME FOLDER
#
# The same as cfs-pull, but that one stage ends before the next begins, and that FOLDER
# keeps the records. To look for a fault, change a file there and run one stage again.
# The repository is the one of $COMPOSEFS_REPO, and must exist.
set -eu
source=${1:?SOURCE} name=${2:?NAME} folder=${3:?FOLDER}
mkdir -p "$folder"
cd "$folder"

# Manifest and config are read and verified. The layers are only named: path= says where
# each one lies, or stream= that the repository has it.
cfs-fetch "$source" >1-blobs

# Each layer becomes objects and a splitstream. From here on stream= names it. A lease
# keeps it from a collection until the last stage is done.
cfs-import <1-blobs >2-layers

# The layers are merged, and the EROFS image is stored. A record for it is added.
cfs-mkerofs <2-layers >3-image

# Config and manifest are stored with references to all of it. The tag moves last.
cfs-link --tag "$name" <3-image >4-linked

# What did each stage add?
diff 1-blobs 4-linked || :
