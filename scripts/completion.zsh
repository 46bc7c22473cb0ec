#compdef cfs cfs-fetch cfs-import cfs-mkerofs cfs-link cfs-gc cfs-mount cfs-pull
# Completion of the composefs tools for zsh: cfs-complete has the words. `make install` puts it
# where zsh finds it.

local cfs=cfs line tab=$'\t'
local -a found described parts shown
[[ $words[1] != */* ]] || cfs=${words[1]%/*}/cfs
for line in ${(f)"$($cfs __complete "${(@Q)words[1,CURRENT]}" 2>/dev/null)"}; do
	case $line in
	${tab}files) _files ;;
	${tab}dirs) _files -/ ;;
	*[:/=]) parts+=("$line") ;;
	*[:/=]$tab*) parts+=("${line%%$tab*}") ;;
	*) found+=("${line%%$tab*}") shown+=("${line/$tab/  -- }") ;;
	esac
done
# What goes on behind a :, a / or a = gets no space.
compadd -S '' -a parts
compadd -l -d shown -a found
