# What runs in a guest. The lines that `cargo xtask vm` adds below call these functions; what they find is left in
# /mnt/out, a directory of the machine outside.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export TRACER_LIVE_SLOW=1 RUST_BACKTRACE=0
out=/mnt/out
# A condition that could not be made; the tracer never ends with it.
NOT_MADE=97

# probe FOLDER PORT PLANE TRACER PEERS WRAPPER…: in a condition, asks the doctor and watches ten known exchanges.
# WRAPPER is the command that makes the condition and becomes the one that its last arguments say.
probe() {
    dir=$out/probes/$1 port=$2 plane=$3 tracer=$4 peers=$5
    shift 5
    mkdir -p "$dir"
    for name in server client; do
        cp "$peers" "/run/$name.py"
    done
    rm -f /run/watch.err /run/server.out /run/graph.json
    ("$@" true) || return 0
    touch "$dir/made"
    ("$@" "$tracer" doctor) >"$dir/doctor.out" 2>"$dir/doctor.err"
    echo $? >"$dir/doctor.code"
    /usr/bin/python3 /run/server.py server 127.0.0.1 "$port" >/run/server.out </dev/null &
    server=$!
    until_said ready /run/server.out "$server"
    "$@" "$tracer" watch ${plane:+--plane "$plane"} --output json --export /run/graph.json \
        >"$dir/watch.out" 2>/run/watch.err </dev/null &
    watch=$!
    if until_said watching /run/watch.err "$watch"; then
        /usr/bin/python3 /run/client.py short 127.0.0.1 "$port" 10 20 >/run/client.out </dev/null
        kill -TERM "$watch"
    fi
    wait "$watch"
    echo $? >"$dir/watch.code"
    cp /run/watch.err "$dir/watch.err"
    if [ -f /run/graph.json ]; then
        cp /run/graph.json "$dir/graph.json"
    fi
    kill "$server"
    wait "$server" 2>/dev/null
}

# Waits until a file holds a word, for as long as the process lives.
until_said() {
    while ! grep -q "$1" "$2" 2>/dev/null; do
        kill -0 "$3" 2>/dev/null || return 1
        sleep 0.1
    done
}

# hide PLACE COMMAND…: without what is mounted at, or lies in, a place.
hide() {
    exec unshare --mount sh -c 'place=$1; shift; mount -t tmpfs none "$place" || exit '$NOT_MADE'; exec "$@"' sh "$@"
}

# cgroup_v1 COMMAND…: with control groups as they were, each controller that this kernel has there in its own tree.
cgroup_v1() {
    exec unshare --mount sh -c '
        umount /sys/fs/cgroup && mount -t tmpfs none /sys/fs/cgroup || exit '$NOT_MADE'
        for controller in memory pids cpu,cpuacct; do
            mkdir "/sys/fs/cgroup/$controller"
            mount -t cgroup -o "$controller" none "/sys/fs/cgroup/$controller" 2>/dev/null
        done
        mkdir /sys/fs/cgroup/systemd
        mount -t cgroup -o none,name=systemd none /sys/fs/cgroup/systemd || exit '$NOT_MADE'
        exec "$@"' sh "$@"
}

# without CAPABILITY… COMMAND…, only CAPABILITY… COMMAND…: capabilities are words in small letters; the command begins
# with the first word that is not one.
without() {
    capabilities=
    while is_capability "$1"; do
        capabilities=$capabilities,-$1
        shift
    done
    exec setpriv --bounding-set "${capabilities#,}" --inh-caps "${capabilities#,}" "$@"
}
only() {
    capabilities=-all
    while is_capability "$1"; do
        capabilities=$capabilities,+$1
        shift
    done
    exec setpriv --bounding-set "$capabilities" --inh-caps -all "$@"
}
is_capability() {
    case $1 in
    bpf | perfmon | dac_* | net_* | sys_*) true ;;
    *) false ;;
    esac
}

# live NAME PLANE PROBE DIRECTORY BINARY ARGUMENTS…: the live tests, unless the tracer did not run in a probe.
live() {
    name=$1 plane=$2
    if [ "$(cat "$out/probes/$3/watch.code")" != 0 ]; then
        return
    fi
    cd "$4" || return
    shift 4
    mkdir -p "$out/live/$name"
    env TRACER_LIVE_RESULTS="$out/live/$name" ${plane:+TRACER_LIVE_PLANE="$plane"} \
        "$@" --test-threads=1 --color=never >"$out/live/$name.out" 2>&1 </dev/null
    echo $? >"$out/live/$name.code"
    cd /
}

mkdir -p "$out/probes" "$out/live"
uname -r >"$out/release"
