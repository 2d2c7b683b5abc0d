"""Talks to a modem through pyserial: at_client.py PORT STEP...

A step is a command line to send, of which the answer is read; or
  PAUSE=SECONDS   does nothing
  DEAF=SECONDS    sends AT+CSQ and goes on reading for so long although the answer is complete
  SMS=TEXT        sends AT+CMGS, waits for the prompt, sends the text
  PDU=HEX         sends AT+CMGS with this SMS-SUBMIT PDU, without a service centre
  STORE=HEX       the same with AT+CMGW
  HASTY=SECONDS:LINE  sends a line, reads for so long, and goes on whether it was answered or not
  RAW=TEXT        writes this, as it is
  LISTEN=SECONDS  only reads
  LINE=BAUD,BITS,PARITY,STOP,FLOW  sets how characters go over the line; FLOW is hard, soft or none
  STTY            says what stty has to say of the port, and the speed that the kernel has
  GO              waits for a line on standard input
At the end it closes the port, says `done` and waits for a line on standard input.
"""

import fcntl
import struct
import subprocess
import sys
import termios
import time

import serial

FINAL = ("OK", "ERROR", "NO CARRIER", "BUSY", "CONNECT", "+CME ERROR", "+CMS ERROR")


def some(port):
    first = port.read(1)
    return first + port.read(port.in_waiting) if first else first


def read_for(port, seconds):
    until = time.monotonic() + seconds
    text = b""
    while time.monotonic() < until:
        text += some(port)
    return text


def answer(port, limit=5.0):
    until = time.monotonic() + limit
    text = b""
    while time.monotonic() < until:
        text += some(port)
        lines = text.decode("ascii", "replace").split("\r\n")
        if text.endswith(b"\r\n") and any(line.startswith(FINAL) for line in lines):
            return
        if text.endswith(b"> "):
            return


def step(port, what):
    name, _, value = what.partition("=")
    if name == "PAUSE":
        time.sleep(float(value))
    elif name == "LISTEN":
        read_for(port, float(value))
    elif name == "DEAF":
        port.write(b"AT+CSQ\r")
        read_for(port, float(value))
    elif name == "SMS":
        port.write(b'AT+CMGS="+491701234567"\r')
        answer(port)
        port.write(value.encode() + b"\x1a")
        answer(port)
    elif name in ("PDU", "STORE"):
        command = "CMGS" if name == "PDU" else "CMGW"
        port.write(f"AT+{command}={len(value) // 2}\r".encode())
        answer(port)
        port.write(b"00" + value.encode() + b"\x1a")
        answer(port)
    elif name == "HASTY":
        limit, _, line = value.partition(":")
        port.write(line.encode() + b"\r")
        read_for(port, float(limit))
    elif name == "RAW":
        port.write(value.encode())
    elif name == "LINE":
        baud, bits, parity, stop, flow = value.split(",")
        wanted = {
            "baudrate": int(baud), "bytesize": int(bits), "parity": parity, "stopbits": int(stop),
            "rtscts": flow == "hard", "xonxoff": flow == "soft",
        }
        for key, setting in wanted.items():
            if getattr(port, key) != setting:
                try:
                    setattr(port, key, setting)
                except termios.error:
                    # The kernel took it, and the C library saw that a pseudo-terminal keeps 8 bits without parity.
                    pass
    elif what == "STTY":
        said = subprocess.run(["stty", "-F", port.port, "-a"], capture_output=True, text=True, check=True).stdout
        # TCGETS2: stty knows no speed that has no name.
        speed = struct.unpack_from("=I", fcntl.ioctl(port.fd, 0x802C542A, bytes(44)), 40)[0]
        print("stty", " ".join(said.split()), f"ospeed {speed};", flush=True)
    elif what == "GO":
        sys.stdin.readline()
    else:
        port.write(what.encode() + b"\r")
        answer(port)


port = serial.Serial(sys.argv[1], 115200, timeout=0.1)
print("open", flush=True)
try:
    for what in sys.argv[2:]:
        step(port, what)
except (OSError, serial.SerialException) as error:
    print(error, flush=True)
port.close()
print("done", flush=True)
sys.stdin.readline()
