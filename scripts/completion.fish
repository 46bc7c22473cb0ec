# Completion of the composefs tools for fish: cfs-complete has the words. `make install` puts it
# where fish finds it by the name of a tool.

function __cfs_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l cfs cfs
    string match -q '*/*' -- $words[1]; and set cfs (path dirname $words[1] 2>/dev/null; or dirname $words[1])/cfs
    for line in (command $cfs __complete $words "$current" 2>/dev/null)
        switch $line
            case \tfiles
                __fish_complete_path "$current"
            case \tdirs
                __fish_complete_directories "$current" ''
            case '*'
                printf '%s\n' $line
        end
    end
end

for tool in cfs cfs-fetch cfs-import cfs-mkerofs cfs-link cfs-gc cfs-mount cfs-pull
    complete -c $tool -f -a '(__cfs_complete)'
end
