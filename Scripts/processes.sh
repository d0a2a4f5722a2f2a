# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0

# Background programs by name: the pid of NAME is kept in $RUN_DIR/NAME.pid, its output in $RUN_DIR/NAME.log.
# Sourced by up and down, in the top directory of the repository.

RUN_DIR=$(realpath -m "${RUN_DIR:-.run}")
BIN=$(realpath -m "${BIN:-.build/${CONFIG:-debug}}")

# Whether NAME runs: the pid is alive, and is still the program that was started for this directory.
alive() {
    local pid
    [[ -s $RUN_DIR/$1.pid ]] && pid=$(<"$RUN_DIR/$1.pid") && kill -0 "$pid" 2>/dev/null &&
        ps -ww -o args= -p "$pid" | grep -qF -- "$RUN_DIR/"
}

# start NAME PROGRAM ARGUMENT...: in a session of its own, so that ^C here does not reach it.
start() {
    local name=$1
    shift
    setsid "$@" </dev/null >>"$RUN_DIR/$name.log" 2>&1 &
    echo $! >"$RUN_DIR/$name.pid"
}

# Asks every NAME to end, gives them 15 seconds together, then kills.
stop() {
    local name deadline=$((SECONDS + 15)) left=()
    for name in "$@"; do
        if alive "$name"; then
            kill -TERM "$(<"$RUN_DIR/$name.pid")" 2>/dev/null || true
            left+=("$name")
        fi
    done
    for name in "${left[@]}"; do
        while alive "$name" && ((SECONDS < deadline)); do sleep 0.1; done
        if alive "$name"; then
            echo "$name does not end, killed" >&2
            kill -KILL "$(<"$RUN_DIR/$name.pid")" 2>/dev/null || true
        fi
    done
    for name in "$@"; do rm -f "$RUN_DIR/$name.pid"; done
}

# wait_for SECONDS WHAT NAME COMMAND...: until COMMAND succeeds, while NAME is alive.
wait_for() {
    local deadline=$((SECONDS + $1)) what=$2 name=$3
    shift 3
    until "$@" >/dev/null 2>&1; do
        if ! alive "$name" || ((SECONDS >= deadline)); then
            echo "$what: failed; the end of $RUN_DIR/$name.log:" >&2
            tail -n 20 "$RUN_DIR/$name.log" >&2
            return 1
        fi
        sleep 0.1
    done
}
