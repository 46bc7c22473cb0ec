#!/bin/sh
# stages.sh - pull an image stage by stage, and keep the records between the stages
#
# usage: stages.sh SOURCE NAME FOLDER
#
# Like cfs-pull, but each stage ends before the next one starts, and FOLDER
# keeps the records. To debug a stage, edit a file there and run the stage again.
# The repository is the one of $COMPOSEFS_REPO, and must exist.
set -eu
source=${1:?SOURCE} name=${2:?NAME} folder=${3:?FOLDER}
mkdir -p "$folder"
cd "$folder"

# Manifest and config are read and verified. The layers are only named: path= is the file of
# each one, or stream= shows that it is in the repository.
cfs-fetch "$source" >1-blobs

# Each layer becomes objects and a splitstream, which stream= names from here on. A lease
# protects it from garbage collection until the last stage is done.
cfs-import <1-blobs >2-layers

# The layers are merged, and the EROFS image is stored. A record for it is added.
cfs-mkerofs <2-layers >3-image

# Config and manifest are stored with references to everything. The tag moves last.
cfs-link --tag "$name" <3-image >4-linked

# Show what the stages added.
diff 1-blobs 4-linked || :
