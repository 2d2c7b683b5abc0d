#!/bin/sh
# A USB modem and a USB card reader, with the lab's modem and card behind them: what programs do with them is counted as they
# lived it, and that they are pulled out is seen. CARDLINK_OBS_BIN names the agent.
set -u
here=$(dirname "$0")
dir=$(mktemp -d)
agent=
daemon=
load=
scan=
trap 'kill $agent $daemon $load $scan 2>/dev/null; rm -rf "$dir"' EXIT

fail() {
    echo "usb: $1"
    tail -n 40 "$dir/told" "$dir/agent" "$dir/daemon" "$dir/scan" 2>/dev/null
    exit 1
}
. "$here/waiting.sh"
told() { grep -q -- "$1" "$dir/told"; }
order() { # carried out by the host
    echo "$1" >/run/vm/order.new && mv /run/vm/order.new /run/vm/order
    await 60 "the order $1" test ! -e /run/vm/order
}

modprobe -a xhci_pci ftdi_sio || fail "this kernel lacks a module"
await 60 "a modem" test -c /dev/ttyUSB0
"$CARDLINK_OBS_BIN" trace --json --all --comm pcscd --comm opensc-tool --comm python3 --comm pcsc_scan --comm at.sh --comm at-load.sh \
    >"$dir/told" 2>"$dir/agent" &
agent=$!
waits() { grep -q 'waiting for it' "$dir/told" "$dir/agent"; }
await 120 "the agent" waits

# The reader was there before anybody used it.
await 120 "the reader" told '"event":"connected","device_type":"reader"'

# Without the virtual readers that the host may have set up.
mkdir -p /run/pcscd "$dir/readers"
pcscd --foreground --config "$dir/readers" >"$dir/daemon" 2>&1 &
daemon=$!
await 60 "the daemon" test -S /run/pcscd/pcscd.comm
await 60 "a card in the reader" told '"event":"card_inserted"'
for apdu in 00:A4:00:04:02:2F:E2 00:B0:00:00:0A 00:20:00:01:08:39:39:39:39:FF:FF:FF:FF 00:FF:00:00:00; do
    opensc-tool --reader 0 --card-driver default --send-apdu "$apdu" >"$dir/tool" 2>&1 || fail "opensc-tool: $(cat "$dir/tool")"
done
# The module of Debian belongs to Debian's Python, whatever other is first in the path.
scard=/usr/bin/python3
reader=$($scard -c 'from smartcard.System import readers; print(readers()[0])') || fail "pyscard sees no reader"
$scard "$here/../e2e/peers/pcsc_client.py" "$reader" shared begin 00A40004022FE2 00B000000A end disconnect \
    >"$dir/tool" 2>&1 && grep -q '^done' "$dir/tool" || fail "pyscard: $(cat "$dir/tool")"
python3 "$here/compare_card.py" "$dir/told" /run/vm/card.json || fail "the card lived something else"

before=$(grep -c '"kind":"command"' /run/vm/modem.json)
"$here/at.sh" /dev/ttyUSB0 || fail "the AT commands were not answered"
python3 "$here/compare_modem.py" "$dir/told" /run/vm/modem.json "$before" /dev/ttyUSB0 3 || fail "the modem lived something else"
grep '"type":"at_command"' "$dir/told" | grep -qE '"device":"(usb|pci)-' || fail "the modem has no name of its own"

# What a program that only looks sees, the agent tells as well.
before=$(grep -c '"kind":"apdu"' /run/vm/card.json)
stdbuf --output=L pcsc_scan >"$dir/scan" 2>&1 &
scan=$!
scanned() { grep -q "$1" "$dir/scan"; }
await 60 "that pcsc_scan sees the card" scanned 'Card inserted'

# Pulled out under load.
cp "$here/at-load.sh" "$dir/at-load.sh"
"$dir/at-load.sh" /dev/ttyUSB0 &
load=$!
load() { [ "$(grep -c '"type":"at_command"' "$dir/told")" -gt 10 ]; }
await 120 "a program at work" load
order 'device_del modem'
began=$(seconds)
await 60 "the modem's end in the guest" test ! -e /dev/ttyUSB0
ended=$(seconds)
await 30 "that the modem is gone" told '"event":"disconnected","device_type":"modem"'
known=$(seconds)
order remove
await 30 "that the card is out" told '"event":"card_removed"'
await 30 "that pcsc_scan sees it, too" scanned 'Card removed'
[ "$(grep -c '"kind":"apdu"' /run/vm/card.json)" -eq "$before" ] || fail "somebody has asked the card for something"
order 'device_del reader'
await 30 "that the reader is gone" told '"event":"disconnected","device_type":"reader"'
echo "usb: APDUs and AT commands were counted as they happened; the modem was gone after $((ended - began)) s, the agent knew within $((known - ended)) s"
