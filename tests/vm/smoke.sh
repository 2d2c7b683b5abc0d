#!/bin/sh
# Six handshakes, what was inside the good ones, and three AT commands under the agent's eyes; what it counted must be what happened.
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
"$CARDLINK_OBS_BIN" run --verbose --comm lab-server --comm at.sh --psk-file "$dir/keys" \
    --record "$dir/recording" >"$dir/agent" 2>&1 &
agent=$!
trap 'kill $server $modem $agent 2>/dev/null; rm -rf "$dir"' EXIT

fail() {
    echo "smoke: $1"
    cat "$dir/agent"
    exit 1
}
await() { # FILE TEXT
    tries=0
    until grep -q "$2" "$1" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || fail "no \`$2\` within 60 s"
        kill -0 "$agent" 2>/dev/null || fail "the agent ended"
        sleep 0.1
    done
}
await "$dir/server" 'listening on'
await "$dir/modem.out" 'modem on'
await "$dir/agent" 'watching lab-server'

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
