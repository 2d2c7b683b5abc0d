#!/bin/sh
# ModemManager with the USB modem: each command that it sent is told once, with the result that the lab's modem gave.
# CARDLINK_OBS_BIN names the agent.
set -u
here=$(dirname "$0")
dir=$(mktemp -d)
agent=
manager=
udev=
bus=
trap 'kill $agent $manager $udev $bus 2>/dev/null; rm -rf "$dir" /run/udev/rules.d/99-cardlink.rules' EXIT

fail() {
    echo "modem_manager: $1"
    tail -n 30 "$dir/told" "$dir/agent" "$dir/manager" 2>/dev/null
    exit 1
}
. "$here/waiting.sh"

modprobe -a xhci_pci ftdi_sio || fail "this kernel lacks a module"
await 60 "a modem" test -c /dev/ttyUSB0
"$CARDLINK_OBS_BIN" trace --json --all --comm ModemManager >"$dir/told" 2>"$dir/agent" &
agent=$!
await 120 "the agent" grep -q 'waiting for it' "$dir/agent"

# It takes a serial adapter for a modem only when udev says so.
mkdir -p /run/udev/rules.d /run/dbus
echo 'SUBSYSTEM=="tty", KERNEL=="ttyUSB*", ENV{ID_MM_DEVICE_PROCESS}="1"' >/run/udev/rules.d/99-cardlink.rules
/lib/systemd/systemd-udevd >"$dir/udev" 2>&1 &
udev=$!
await 60 "udev" udevadm control --ping
udevadm trigger --subsystem-match=tty --subsystem-match=usb --subsystem-match=usb-serial
udevadm settle --timeout=120
dbus-daemon --system --nofork --nopidfile >"$dir/bus" 2>&1 &
bus=$!
await 60 "the bus" test -S /run/dbus/system_bus_socket
ModemManager --debug >"$dir/manager" 2>&1 &
manager=$!
mm_asked() { [ "$(grep -c '"kind":"command"' /run/vm/modem.json)" -ge "$1" ]; }
before=$(grep -c '"kind":"command"' /run/vm/modem.json)
await 180 "commands of ModemManager" mm_asked $((before + 8))
# It goes on until it knows what it has; what is under way at its end has no answer.
sleep 15
kill "$manager"
wait "$manager" 2>/dev/null
manager=
python3 "$here/compare_modem.py" "$dir/told" /run/vm/modem.json "$before" /dev/ttyUSB0 8 || fail "the modem lived something else"
