#!/bin/sh
# Six handshakes, what was inside the good ones, and three AT commands under the agent's eyes; what it counted must be what happened.
# The agent is without CAP_SYS_ADMIN, which these kernels want for every perf event.
# CARDLINK_OBS_BIN names the agent, CARDLINK_LAB_DIR the folder of the lab's programs.
set -u
here=$(dirname "$0")
dir=$(mktemp -d)
key=00112233445566778899aabbccddeeff
echo "card-1:$key" >"$dir/keys"
chmod 600 "$dir/keys"

"$CARDLINK_LAB_DIR/lab-server" --psk-file "$dir/keys" >"$dir/server" &
server=$!
"$CARDLINK_LAB_DIR/lab-modem" --link "$dir/modem" >"$dir/modem.out" &
modem=$!
setpriv --bounding-set=-sys_admin "$CARDLINK_OBS_BIN" run --verbose --comm lab-server --comm at.sh --psk-file "$dir/keys" \
    --record "$dir/recording" >"$dir/agent" 2>&1 &
agent=$!
trap 'kill $server $modem $agent 2>/dev/null; rm -rf "$dir"' EXIT

fail() {
    echo "smoke: $1"
    cat "$dir/agent"
    exit 1
}
. "$here/waiting.sh"
await 60 "the server" grep -q 'listening on' "$dir/server"
await 60 "the modem" grep -q 'modem on' "$dir/modem.out"
await 60 "the agent" grep -q 'watching lab-server' "$dir/agent"
# The 22nd from the right, of 64 bits in hexadecimal.
rights=$(sed -n 's/^CapEff:\t//p' "/proc/$agent/status")
[ $((0x$rights >> 21 & 1)) -eq 0 ] || fail "the agent has CAP_SYS_ADMIN: $rights"
[ "$(cat /proc/sys/kernel/perf_event_paranoid)" -gt 2 ] || echo "smoke: this kernel gives perf events away"

address=$(sed -n 's/^listening on //p' "$dir/server")
"$CARDLINK_LAB_DIR/lab-card" --connect "$address" --identity card-1 --key "$key" --sessions 6 \
    --fault none,wrong-key,unknown-identity --timeout 60000 >/dev/null 2>&1
"$here/at.sh" "$dir/modem" || fail "the AT commands were not answered"

kill -TERM "$agent"
wait "$agent" || fail "the agent ended with exit code $?"
"$CARDLINK_OBS_BIN" replay --metrics "$dir/recording" >"$dir/metrics" || fail "the recording cannot be read"

counted() { # COUNT NAME LABEL...
    want=$1
    lines=$(grep "^$2{" "$dir/metrics" | grep -v ' 0$')
    shift 2
    for label in "$@"; do lines=$(echo "$lines" | grep -F "$label"); done
    got=$(echo "$lines" | awk '{ n += $NF } END { print n + 0 }')
    [ "$got" -eq "$want" ] || fail "$* counted $got times, not $want: $(grep -v ' 0$' "$dir/metrics" | grep '^cardlink_[at][a-z]*_[ch].*total{')"
}
counted 6 cardlink_tls_handshakes_total
counted 2 cardlink_tls_handshakes_total 'result="success"'
counted 2 cardlink_tls_handshakes_total 'failure_reason="wrong_key"'
counted 2 cardlink_tls_handshakes_total 'failure_reason="unknown_psk_identity"'
counted 2 cardlink_tls_plaintext_total 'way="key_file"'
counted 2 cardlink_sessions_total 'status="completed"'
counted 2 cardlink_apdu_commands_total 'command_type="GET_STATUS"'
counted 6 cardlink_apdu_commands_total
counted 1 cardlink_at_commands_total 'command="AT"' 'result="ok"'
counted 1 cardlink_at_commands_total 'command="AT+CSQ"' 'result="ok"'
counted 1 cardlink_at_commands_total 'result="error"'
echo "smoke: 6 handshakes, 2 sessions with 6 APDUs and 3 AT commands were counted as they happened"
