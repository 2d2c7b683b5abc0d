"""Compares what the agent told of AT commands with what the lab's modem lived: compare_modem.py TOLD MODEM SKIP TTY LEAST.

The first SKIP commands at the modem were others', and LEAST more must have come. Of those that took long the times must agree, too.
"""

import json
import re
import sys
import time

import times

PATIENCE = 60
RESULTS = {"OK": "ok", "ERROR": "error", "CONNECT": "connect", "NO CARRIER": "no_carrier"}


def name(line):
    """The label of a command: without arguments, `?` and `=`."""
    line = line.strip().upper()
    extended = re.match(r"AT([+*^$%#][A-Z0-9]+)", line)
    if extended:
        return "AT" + extended.group(1)
    basic = re.match(r"AT(&?[A-Z])", line)
    return "AT" + basic.group(1) if basic else "AT"


def result(said):
    error = re.match(r"\+(CM[ES]) ERROR: *(\d+)", said)
    return f"{error.group(1).lower()}_{error.group(2)}" if error else RESULTS.get(said, said)


def lived(path, skip):
    with open(path, encoding="ascii") as file:
        records = [json.loads(line) for line in file if line.endswith("\n")]
    commands = [one for one in records if one["kind"] == "command"][skip:]
    took = [(one["final_written_ns"] or 0) - one["received_ns"] for one in commands]
    return [(name(one["line"]), result(one["result"])) for one in commands], [one / 1e9 for one in took]


def told(path):
    with open(path, encoding="utf-8") as file:
        ones = [json.loads(line) for line in file if line.endswith("\n")]
    ones = [one for one in ones if one["type"] == "at_command"]
    ones = [one for one in ones if one["tty"] == sys.argv[4]]
    return [(one["command"], one["result"]) for one in ones], [one["duration"] for one in ones]


def main():
    until, least = time.monotonic() + PATIENCE, int(sys.argv[5])
    while True:
        (truth, lasted), (seen, durations) = lived(sys.argv[2], int(sys.argv[3])), told(sys.argv[1])
        if (seen == truth and len(truth) >= least) or time.monotonic() > until:
            break
        time.sleep(0.5)
    print(f"modem: {len(truth)} commands at the modem, {len(seen)} told")
    if seen != truth or len(truth) < least:
        print("modem:", truth, "told:", seen, sep="\n")
        sys.exit(1)
    times.must_agree(list(zip(durations, lasted, strict=True)))


main()
