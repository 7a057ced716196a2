# What the two labs share: a user-mode kernel started as a process, its command, its output, its end. Sourced, not run.
#
# A lab gives one command a kernel that this machine has not. The kernel is Debian's user-mode-linux: an ordinary process,
# so there is no virtual machine, and one lab disturbs neither the machine nor another lab beside it.
#
#   exit status   the command's; 124: it took longer than --timeout; 125: no kernel, or one that died; 128+n: signal n
#   output        the command's standard output and standard error, apart and unchanged; nothing of the kernel's
#
# The kernel has four file descriptors of ours: 0 is /dev/null, 1 and 2 a file that is shown when things go wrong, and
# 3 and 4 are the command's output. These go through `cat`, because a user-mode kernel makes what it writes to
# non-blocking, and a terminal or a pipe that our caller goes on using must not be left like that.

set -u

lab_name=${0##*/}
lab_timeout=0
lab_memory=${TLSD_LAB_MEMORY:-3072}
lab_variables=()
lab_work=
lab_kernel=
lab_watch=

lab_fail() {
    echo "$lab_name: $*" >&2
    exit 125
}

# lab_need TOOL PACKAGE ...: each tool is here, or a message that names the packages of the missing ones.
lab_need() {
    local missing=()
    while (($#)); do
        command -v "$1" >/dev/null || missing+=("$2")
        shift 2
    done
    ((${#missing[@]} == 0)) || lab_fail "not installed: ${missing[*]} (make deps installs them)"
}

# lab_option NAME VALUE: the options both labs have. Returns 1 for any other.
lab_option() {
    case $1 in
    --timeout)
        [[ ${2-} =~ ^[0-9]{1,6}$ ]] || lab_fail "--timeout takes whole seconds, not '${2-}'"
        lab_timeout=$((10#$2))
        ;;
    --memory)
        [[ ${2-} =~ ^[0-9]{1,6}$ ]] || lab_fail "--memory takes MiB, not '${2-}'"
        lab_memory=$((10#$2))
        ;;
    --env)
        [[ ${2-} =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || lab_fail "--env takes a variable's name, not '${2-}'"
        lab_variables+=("$2")
        ;;
    *) return 1 ;;
    esac
}

# The kernel keeps the guest's memory in an unlinked sparse file. When the file system fills, the guest dies of SIGBUS
# in the middle of anything, so room is looked for first: fast places before slow ones. Prints directory and MiB.
lab_memory_place() {
    local place room best= best_room=0
    for place in /dev/shm "${TMPDIR:-/tmp}" /tmp /var/tmp "$lab_work"; do
        [[ -d $place && -w $place ]] || continue
        # /dev/shm may forbid executing, and the guest's programs are mapped from that file
        [[ ,$(findmnt -n -o OPTIONS -T "$place" 2>/dev/null), != *,noexec,* ]] || continue
        room=$(df -P -m "$place" | awk 'NR == 2 { print $4 }')
        ((room >= lab_memory)) && { echo "$place $lab_memory" && return; }
        ((room > best_room)) && best=$place best_room=$room
    done
    ((best_room * 8 / 10 >= 512)) || return 1
    echo "$best $((best_room * 8 / 10))"
}

# lab_begin: a directory of this run's own, which goes away however the run ends.
lab_begin() {
    lab_work=$(mktemp -d "${TMPDIR:-/tmp}/tlsd-lab.XXXXXXXX") || lab_fail "no room for a directory in ${TMPDIR:-/tmp}"
    trap lab_end EXIT
    trap 'lab_kill; exit 130' INT
    trap 'lab_kill; exit 143' TERM
    trap 'lab_kill; exit 129' HUP
}

# The kernel runs in a session of its own, and every guest process is a child of it: its group is ended, not one process.
lab_kill() {
    if [[ -n $lab_kernel ]]; then
        kill -KILL -- "-$lab_kernel"
        kill -KILL "$lab_kernel"
        wait "$lab_kernel"
        lab_kernel=
    fi 2>/dev/null
}

lab_end() {
    lab_kill
    if [[ -n $lab_watch ]]; then
        kill "$lab_watch"
        wait "$lab_watch"
    fi 2>/dev/null
    [[ -n $lab_work ]] && rm -rf "$lab_work"
}

# lab_write_command LAB COMMAND [ARG ...]: the script that runs in the guest, with what of the environment tests look at.
lab_write_command() {
    local lab=$1 name
    shift
    {
        echo "export TLSD_LAB=$lab"
        for name in $(compgen -e); do
            case $name in
            TLSD_LAB | TLSD_LAB_*) ;;
            PATH | HOME | USER | LOGNAME | SHELL | TERM | COLUMNS | LANG | LANGUAGE | LC_* | TZ | CI | FILTER | \
                NO_COLOR | TMPDIR | LD_LIBRARY_PATH | TLSD_* | SWT_* | SWIFT_* | [AT]SAN_OPTIONS | UBSAN_OPTIONS | \
                LSAN_OPTIONS | MALLOC_*)
                printf 'export %s=%q\n' "$name" "${!name}"
                ;;
            esac
        done
        for name in ${lab_variables[@]+"${lab_variables[@]}"}; do
            [[ -v $name ]] && printf 'export %s=%q\n' "$name" "${!name}"
        done
        printf 'umask %s\ncd %q || exit 125\n' "$(umask)" "$PWD"
        printf 'exec'
        printf ' %q' "$@"
        echo
    } >"$lab_work/command"
}

# What a guest's init does last, in any lab; $1 is the lab's directory as the guest sees it. The terminals are made here,
# as the guest's /dev may be this machine's, and told to change nothing of what goes through them. The command sees pipes
# and not terminals, as it would in CI. What it left running does not keep the guest up for more than three seconds.
lab_guest_tail() {
    cat <<TAIL
power_off() {
    # A file system whose server is gone would keep it for ever
    timeout -s KILL 20 sync
    [[ -w /proc/sysrq-trigger ]] && echo o >/proc/sysrq-trigger && sleep 5
    poweroff -f
    sleep 60
}
mkdir -p /run/lab && mknod /run/lab/out c 4 1 && mknod /run/lab/err c 4 2 && mkfifo /run/lab/1 /run/lab/2
exec 8<>/run/lab/out 9<>/run/lab/err
stty raw -echo <&8
stty raw -echo <&9
cat /run/lab/1 >&8 &
out=\$!
cat /run/lab/2 >&9 &
err=\$!
env -i bash "$1/command" </dev/null >/run/lab/1 2>/run/lab/2 8<&- 9<&-
echo \$? >"$1/status.new" && mv "$1/status.new" "$1/status"
(sleep 3; power_off) &
wait \$out \$err
exec 8<&- 9<&-
power_off
TAIL
}

# lab_run KERNEL [PARAMETER ...]: boots, waits, and exits with the command's status.
lab_run() {
    local place room kernel=$1 out err status
    shift
    read -r place room < <(lab_memory_place) || lab_fail "no file system has room for the kernel's memory (512 MiB)"
    mkfifo "$lab_work/out" "$lab_work/err"
    cat <"$lab_work/out" &
    out=$!
    cat <"$lab_work/err" >&2 &
    err=$!
    TMPDIR=$place setsid "$kernel" "$@" rw mem="${room}M" uml_dir="$lab_work/" umid=kernel \
        con=null con0=null,fd:1 con1=null,fd:3 con2=null,fd:4 quiet panic=-1 \
        </dev/null >"$lab_work/console" 2>&1 3>"$lab_work/out" 4>"$lab_work/err" &
    lab_kernel=$!
    if ((lab_timeout > 0)); then
        # exec, so that ending the watch ends the sleep as well
        (
            exec </dev/null >/dev/null 2>&1
            sleep "$lab_timeout" &
            trap 'kill $!; exit' TERM
            wait $!
            : >"$lab_work/late"
            kill -KILL -- "-$lab_kernel"
        ) &
        lab_watch=$!
    fi
    wait "$lab_kernel" 2>/dev/null
    # ended by itself: what it might have left of its group goes too
    kill -KILL -- "-$lab_kernel" 2>/dev/null
    lab_kernel=
    wait "$out" "$err"
    # Signal 9 from nowhere has one sender: the guest's kernel, which says why on its console alone. Each of the guest's
    # processes is one of ours, with a mapping for every page that does not follow the one before it: 65530 of them at
    # most (vm.max_map_count), which a process with more than 256 MB can come to need
    grep -a -o -E 'Out of memory: Killed process.*|.*ran out of memory on the host side.*' "$lab_work/console" |
        tr -d '\r' | sed "s/^/$lab_name: /" >&2
    if [[ -s $lab_work/status ]]; then
        read -r status <"$lab_work/status"
        [[ -s $lab_work/reason ]] && lab_fail "$(<"$lab_work/reason")"
        exit "$status"
    fi
    if [[ -e $lab_work/late ]]; then
        echo "$lab_name: stopped after $lab_timeout seconds" >&2
        exit 124
    fi
    tail -n 30 "$lab_work/console" | tr -d '\r' >&2
    lab_fail "the kernel ended without an answer (its last words are above)"
}
