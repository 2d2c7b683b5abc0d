"""Uses a phone through an adb server, with pure-python-adb: PORT SERIAL FILE."""

import os
import sys

from ppadb.client import Client

port, serial, pulled = int(sys.argv[1]), sys.argv[2], sys.argv[3]
client = Client(host="127.0.0.1", port=port)
assert client.version() > 30
assert [device.serial for device in client.devices()] == [serial]
device = client.device(serial)
assert device is not None
assert device.shell("echo hello") == "hello\n"
assert device.shell("sleep 120; echo late") == "late\n"
device.shell("echo 'AT+CFUN=1' > /dev/smd7")
with open(pulled + ".source", "wb") as source:
    source.write(os.urandom(100_000))
device.push(pulled + ".source", "/data/from-python")
device.pull("/data/from-python", pulled)
assert open(pulled, "rb").read() == open(pulled + ".source", "rb").read()
missing = type(device)(client, "nosuchphone")
try:
    missing.shell("echo")
    raise SystemExit("there is no such phone")
except RuntimeError:
    pass
print("done", flush=True)
sys.stdin.readline()
