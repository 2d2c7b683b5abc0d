#!/bin/sh
# A USB modem of the communication device class (ttyACM), by the kernel's own gadget and an emulated controller, with the lab's
# modem behind it: plugged in under a running agent, used, and its cable pulled under load, while nothing else comes or goes.
# CARDLINK_OBS_BIN names the agent, CARDLINK_LAB_DIR the folder of the lab's programs.
set -u
here=$(dirname "$0")
dir=$(mktemp -d)
agent=
modem=
load=
trap 'kill $agent $modem $load 2>/dev/null; rm -rf "$dir"' EXIT

fail() {
    echo "acm: $1"
    tail -n 40 "$dir/told" "$dir/agent" "$dir/modem" 2>/dev/null
    exit 1
}
. "$here/waiting.sh"
told() { grep -q -- "$1" "$dir/told"; }

"$CARDLINK_OBS_BIN" trace --json --all --comm at.sh --comm at-load.sh >"$dir/told" 2>"$dir/agent" &
agent=$!
await 120 "the agent" grep -q 'waiting for it' "$dir/agent"

modprobe -a cdc_acm dummy_hcd || fail "this kernel lacks a module"
modprobe g_serial use_acm=1 iManufacturer=Lab iProduct=Modem iSerialNumber=ACM1 || fail "this kernel has no serial gadget"
await 60 "a modem" test -c /dev/ttyACM0
await 60 "its other side" test -c /dev/ttyGS0
modem_at() { # PORT TRUTH
    : >"$dir/modem"
    "$CARDLINK_LAB_DIR/lab-modem" --port "$1" --truth "$2" --delay +CSQ=1000 >"$dir/modem" 2>&1 &
    modem=$!
    await 30 "the lab's modem" test -s "$dir/modem"
}

# The other way round first: the gadget's side has a number that no list of devices knows before.
modem_at /dev/ttyACM0 "$dir/truth-gadget"
"$here/at.sh" /dev/ttyGS0 || fail "the AT commands were not answered at the gadget's side"
python3 "$here/compare_modem.py" "$dir/told" "$dir/truth-gadget" 0 /dev/ttyGS0 3 || fail "the modem at the host's side lived something else"
kill "$modem"
wait "$modem" 2>/dev/null

modem_at /dev/ttyGS0 "$dir/truth"

"$here/at.sh" /dev/ttyACM0 || fail "the AT commands were not answered"
python3 "$here/compare_modem.py" "$dir/told" "$dir/truth" 0 /dev/ttyACM0 3 || fail "the modem lived something else"
grep '"type":"at_command"' "$dir/told" | grep -q '"device":"[^"]*Lab[^"]*Modem' || fail "the modem is not called by its name"

cp "$here/at-load.sh" "$dir/at-load.sh"
"$dir/at-load.sh" /dev/ttyACM0 &
load=$!
load() { [ "$(grep -c '"type":"at_command"' "$dir/told")" -gt 6 ]; }
await 120 "a program at work" load
for port in /sys/class/udc/dummy_udc.*; do echo disconnect >"$port/soft_connect"; done
began=$(seconds)
await 60 "the modem's end in the guest" test ! -e /dev/ttyACM0
await 30 "that the modem is gone" told '"event":"disconnected","device_type":"modem"'
echo "acm: plugged in, used and pulled out under load; the agent knew $(($(seconds) - began)) s after the cable was pulled"
