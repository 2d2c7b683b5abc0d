# For scripts of a guest that wait: sourced by them. `agent` is the pid of the agent, while there is one; `fail SENTENCE` is theirs.
seconds() { cut -d. -f1 /proc/uptime; }
await() { # SECONDS WHAT COMMAND...
    until=$(($(seconds) + $1))
    what=$2
    shift 2
    until "$@"; do
        [ "$(seconds)" -lt "$until" ] || fail "$what: not within the time"
        [ -z "$agent" ] || kill -0 "$agent" 2>/dev/null || fail "the agent ended"
        sleep 0.2
    done
}
