"""Compares what the agent told of APDUs with what the card lived: compare_card.py TOLD CARD.

Each APDU must be told once as counted, at the daemon, and once as counted elsewhere, at the reader's driver, with the time that the
card took.
"""

import json
import sys
import time

import times

PATIENCE = 60


def lived(path):
    with open(path, encoding="ascii") as file:
        records = [json.loads(line) for line in file if line.endswith("\n")]
    apdus = [one for one in records if one["kind"] == "apdu"]
    took = [(one["answered_ns"] - one["received_ns"]) / 1e9 for one in apdus]
    return [(one["header"], one["status_word"], one["command_bytes"], one["response_bytes"]) for one in apdus], took


def told(path):
    counted, elsewhere, devices, durations = [], [], set(), []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                break
            one = json.loads(line)
            if one["type"] != "device_apdu":
                continue
            devices.add(one["device"])
            what = (one["header"], one["status_word"], one["command_bytes"], one["response_bytes"])
            (elsewhere if one["counted_elsewhere"] else counted).append((what, one["connection"] is None))
            if one["counted_elsewhere"] and one["connection"] is None:
                durations.append(one["duration"])
    driver = [what for what, direct in elsewhere if direct]
    return [what for what, _ in counted], driver, devices, durations


def main():
    truth, lasted = lived(sys.argv[2])
    until = time.monotonic() + PATIENCE
    while True:
        counted, driver, devices, durations = told(sys.argv[1])
        if (counted == truth and driver == truth) or time.monotonic() > until:
            break
        time.sleep(0.5)
    print(f"usb: {len(truth)} APDUs at the card, {len(counted)} counted, {len(driver)} at the driver, of {devices}")
    if counted != truth or driver != truth or not truth or len(devices) != 1:
        print("card:", truth, "counted:", counted, "driver:", driver, sep="\n")
        sys.exit(1)
    times.must_agree(list(zip(durations, lasted, strict=True)))


main()
