# Completion of the composefs tools for bash. `make install` puts it where bash finds
# it by the name of a tool; else: . scripts/completion.bash
#
# The tools tell their commands and options themselves. They are never run with words
# of the command line, but for the options that name the repository. What they print
# is never expanded: a tag may hold anything.

# _cfs_repo prints the words that name the repository on the command line, one a line.
_cfs_repo() {
	local i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--user | --system) printf '%s\n' "${COMP_WORDS[i]}" ;;
		--repo)
			[[ ${COMP_WORDS[i + 1]-} != = ]] || ((i++)) # = is a word of its own
			((i + 1 >= COMP_CWORD)) || printf '%s\n' --repo "${COMP_WORDS[++i]}"
			;;
		esac
	done
}

# _cfs_tags prints the tags of the repository, and does not wait for its lock.
_cfs_tags() {
	local options
	mapfile -t options < <(_cfs_repo)
	cfs-link ls --no-wait "${options[@]}" 2>/dev/null </dev/null | cut -f1
}

# _cfs_options prints the options of a tool, or of a command of it.
_cfs_options() {
	if [[ ${1##*/} == cfs-pull ]]; then
		"$1" --help </dev/null | sed -n '/^ *--/p' | grep -o -- '--[a-z][a-z-]*'
		set -- "${1%cfs-pull}cfs-fetch"
	fi
	"$@" - --generate-bash-completion </dev/null 2>/dev/null
}

# _cfs_values prints what can stand behind an option, nothing if that is a file or
# anything else, and fails if nothing stands behind it.
_cfs_values() {
	case $1 in
	--algorithm) printf '%s\n' fsverity-sha512-12 fsverity-sha256-12 ;;
	--erofs-version) printf '%s\n' 0 1 2 ;;
	--hash) printf '%s\n' sha256 sha512 ;;
	--xattrs) printf '%s\n' allowlist-only keep-user-xattrs ;;
	--progress) printf '%s\n' auto plain json none ;;
	--platform) printf '%s\n' linux/amd64 linux/arm64 ;;
	--oci | --image | --tag) _cfs_tags ;;
	--repo | --dumpfile | --from-file | --tree | --digest-store | --output | -o | --upperdir | --workdir | --options) ;;
	--timeout | --keep | --diff-id | --jobs | --threads | --ref | --filter) ;;
	*) return 1 ;;
	esac
}

# _cfs_words prints what can stand at the cursor: for the tool and its command, with
# the commands that it has, and the current and the previous word.
_cfs_words() {
	local tool=$1 sub=$2 subs=$3 cur=$4 prev=$5
	[[ $cur != = && $prev != = ]] || prev=${COMP_WORDS[COMP_CWORD - 1 - (${#prev} == 1)]}
	if [[ $prev == -* ]] && _cfs_values "$prev"; then
		return
	elif [[ $cur == -* ]]; then
		_cfs_options "$tool" ${sub:+"$sub"}
		return
	fi
	case ${tool##*/}/$sub in
	cfs-link/show | cfs-link/tag | cfs-link/untag | cfs-gc/check | cfs-mkerofs/?* | cfs-mount/) _cfs_tags ;;
	cfs-fetch/ | cfs-pull/) printf '%s\n' oci: "$subs" ;;
	*/) printf '%s\n' "$subs" ;;
	esac
}

_cfs() {
	local tool=$1 cur=${2-} prev=${3-} sub='' subs='' word typed broken i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} != -- ]] || return # operands of another command
	done
	if [[ ${tool##*/} != cfs-pull ]]; then
		subs=$("$tool" --generate-bash-completion </dev/null 2>/dev/null)
	fi
	for ((i = 1; i < COMP_CWORD && ${#sub} == 0; i++)); do
		[[ $'\n'$subs$'\n' != *$'\n'"${COMP_WORDS[i]}"$'\n'* ]] || sub=${COMP_WORDS[i]}
	done
	# A word with a colon is several to bash, which wants only what follows the last one.
	typed=$cur broken=''
	if [[ $COMP_WORDBREAKS == *:* && $cur != -* ]]; then
		word=${COMP_LINE:0:COMP_POINT} word=${word##*[[:space:]=]}
		[[ $word != *:* ]] || typed=$word broken=${word%"${word##*:}"}
	fi
	[[ $typed != = ]] || typed=''
	while IFS= read -r word; do
		[[ -z $word || $word != "$typed"* ]] || COMPREPLY+=("$(printf %q "${word#"$broken"}")")
	done < <(_cfs_words "$tool" "$sub" "$subs" "$cur" "$prev")
	[[ ${COMPREPLY[0]-} != oci: ]] || compopt -o nospace 2>/dev/null
}

complete -o default -F _cfs cfs-fetch cfs-import cfs-mkerofs cfs-link cfs-gc cfs-mount cfs-pull
