# Completion of the composefs tools for bash. `make install` puts it where bash finds it by the
# name of a tool; else: . scripts/completion.bash
#
# cfs-complete has the words. What it prints is never expanded: a tag may hold anything.

_cfs() {
	local tool=$1 cur=${2-} cfs=cfs line word typed broken default='' i
	local -a words=()
	COMPREPLY=()
	[[ $tool != */* ]] || cfs=${tool%/*}/cfs
	# A word with a colon or an = is several to bash, which wants only what follows the last one.
	typed=$cur broken=''
	if [[ $COMP_WORDBREAKS == *:* ]]; then
		word=${COMP_LINE:0:COMP_POINT} word=${word##*[[:space:]=]}
		[[ $word != *:* ]] || typed=$word broken=${word%"${word##*:}"}
	fi
	[[ $typed != = ]] || typed=''
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == : || ${COMP_WORDS[i - 1]} == : && $i -gt 1 ]]; then
			((${#words[@]})) && words[-1]+=${COMP_WORDS[i]}
		elif [[ ${COMP_WORDS[i]} != = ]]; then
			words+=("${COMP_WORDS[i]}")
		fi
	done
	# The parts of the current word are no words before it.
	[[ -z $broken ]] || ((${#words[@]} == 0)) || [[ ${words[-1]} != "$broken"* && $broken != "${words[-1]}"* ]] || unset 'words[-1]'
	while IFS= read -r line; do
		word=${line%%$'\t'*}
		case $line in
		$'\t'files) default=files ;;
		$'\t'dirs) while IFS= read -r word; do COMPREPLY+=("$(printf %q "$word")"); done < <(compgen -d -- "$typed") ;;
		*) [[ -z $word || $word != "$typed"* ]] || COMPREPLY+=("$(printf %q "${word#"$broken"}")") ;;
		esac
	done < <("$cfs" __complete "$tool" "${words[@]}" "$typed" 2>/dev/null)
	[[ -n $default ]] || compopt +o default 2>/dev/null
	[[ ${COMPREPLY[0]-} != *[:/=] ]] || compopt -o nospace 2>/dev/null
}

complete -o default -F _cfs cfs cfs-fetch cfs-import cfs-mkerofs cfs-link cfs-gc cfs-mount cfs-pull
