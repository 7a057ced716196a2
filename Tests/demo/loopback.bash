# A tlssd and an xferd of one's own on the loopback interface, for the demonstration and the benchmarks. Sourced, not run.
#
#   loopback_begin PLACE MiB    a directory ($loopback) of that run's own under PLACE, with certificates for this machine;
#                               PLACE empty: /dev/shm, else the directory for temporary files, whichever has the room
#   loopback_serve EXPORT ...   starts both daemons; sets $xfer_options, $server
#   clock COMMAND ...           runs it, seconds it took in $seconds
#
# Everything ends with the script that sourced this, however it ends; processes by their id.

set -u

repository=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
programs=${TLSD_PROGRAMS:-$repository/.build/release}
loopback=
loopback_processes=()

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

loopback_end() {
    local process
    for process in ${loopback_processes[@]+"${loopback_processes[@]}"}; do
        kill "$process"
    done 2>/dev/null
    for process in ${loopback_processes[@]+"${loopback_processes[@]}"}; do
        # SIGKILL for one that does not end by itself
        for _ in {1..50}; do
            kill -0 "$process" || break
            sleep 0.1
        done
        kill -KILL "$process"
        wait "$process"
    done 2>/dev/null
    [[ -n $loopback ]] && rm -rf "$loopback"
}

loopback_begin() {
    local place=$1 needed=$2 candidate program
    for program in xfer xferd tlscd tlssd; do
        [[ -x $programs/$program ]] || fail "$programs/$program is not built: make build"
    done
    for candidate in ${place:-/dev/shm "${TMPDIR:-/tmp}" /var/tmp}; do
        [[ -d $candidate && -w $candidate ]] || continue
        (($(df -P -m "$candidate" | awk 'NR == 2 { print $4 }') >= needed)) || continue
        loopback=$(mktemp -d "$candidate/tlsd.XXXXXXXX") && break
    done
    [[ -n $loopback ]] || fail "no room: $needed MiB are needed in one of ${place:-/dev/shm ${TMPDIR:-/tmp} /var/tmp}"
    trap loopback_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    mkdir "$loopback/pki" "$loopback/log"
    {
        "$programs/xfer" pki init --directory "$loopback/pki" &&
            "$programs/xfer" pki issue --directory "$loopback/pki" --file server --server localhost 127.0.0.1 &&
            "$programs/xfer" pki issue --directory "$loopback/pki" --client client
    } >"$loopback/log/pki" 2>&1 || { cat "$loopback/log/pki" >&2 && fail "certificates could not be made"; }
}

# loopback_start NAME COMMAND ...: in the background, its output in a log
loopback_start() {
    local name=$1
    shift
    "$@" </dev/null >"$loopback/log/$name.out" 2>"$loopback/log/$name" &
    loopback_processes+=($!)
}

# loopback_wait NAME WHAT COMMAND ...: until the command succeeds; fails as soon as the process started last is gone
loopback_wait() {
    local name=$1 what=$2 i
    shift 2
    for ((i = 0; i < 200; i++)); do
        "$@" && return
        kill -0 "${loopback_processes[-1]}" 2>/dev/null || break
        sleep 0.05
    done
    cat "$loopback/log/$name" >&2
    fail "$name: no $what"
}

loopback_serve() {
    local export exports=() pki=$loopback/pki
    for export in "$@"; do
        exports+=(--export "$export")
    done
    loopback_start tlssd "$programs/tlssd" --socket "$loopback/tlssd.sock" \
        --cert "$pki/server.pem" --key "$pki/server.key" --ca "$pki/ca.pem"
    loopback_wait tlssd "socket" test -S "$loopback/tlssd.sock"
    loopback_start xferd "$programs/xferd" --listen 127.0.0.1:0 --announce --tlssd "$loopback/tlssd.sock" "${exports[@]}"
    loopback_wait xferd "port" test -s "$loopback/log/xferd.out"
    server=127.0.0.1
    xfer_options=(-o "port=$(<"$loopback/log/xferd.out"),cafile=$pki/ca.pem,cert=$pki/client.pem,key=$pki/client.key")
}

clock() {
    local start=$EPOCHREALTIME end status
    "$@"
    status=$?
    end=$EPOCHREALTIME
    # the separator of a locale may be a comma
    seconds=$(awk -v a="${start/,/.}" -v b="${end/,/.}" 'BEGIN { printf "%.3f", b - a }')
    return $status
}

# What `xfer -v` says about the connection, from a file with its words: "RECORD-LAYER CIPHER"
protection_of() {
    sed -n 's/^protection: .*\(TLS_[A-Z0-9_]*\).*record layer \([a-z]*\).*/\2 \1/p' "$1" | head -n 1
}
