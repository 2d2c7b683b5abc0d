"""Talks to a modem again and again, reads on after one answer, and sends a file past read and write."""

import os
import select
import socket
import sys
import termios
import threading
import time
import tty

device = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
tty.setraw(device, termios.TCSANOW)


def ask(command, linger=0.0):
    os.write(device, command.encode() + b"\r")
    answer = b""
    until = time.monotonic() + 2
    while time.monotonic() < until:
        ready, _, _ = select.select([device], [], [], 0.1)
        if ready:
            answer += os.read(device, 256)
            if b"OK\r\n" in answer or b"ERROR" in answer:
                until = min(until, time.monotonic() + linger)
                if not linger:
                    return


def by_sendfile():
    listener = socket.create_server(("127.0.0.1", 0))

    def swallow():
        peer, _ = listener.accept()
        while peer.recv(4096):
            pass

    threading.Thread(target=swallow, daemon=True).start()
    with socket.create_connection(listener.getsockname()) as sender, open(__file__, "rb") as file:
        sender.sendfile(file)
        time.sleep(0.1)


while True:
    ask("AT+CSQ")
    ask("AT+COPS?", linger=0.4)
    ask("AT+WIND=1")
    ask('AT+CSIM=14,"00A40004023F00"')
    by_sendfile()
    time.sleep(0.3)
