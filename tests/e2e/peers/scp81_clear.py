"""An SCP81 administration server without TLS, and a card for it, which says what it did.

    scp81_clear.py PORT KEYFILE [--script HEX,HEX…] …      serves
    scp81_clear.py card PORT SESSIONS complete|reset       holds sessions, one after the other

The card answers every C-APDU with 9000. Each of its sessions is a line: its address, and how it ended. A reset comes
instead of the first response.
"""

import socket
import struct
import sys
import threading
import time

import scp81_admin

RESPONSE_TYPE = "application/vnd.globalplatform.card-content-mgt-response;version=1.0"


def serve():
    chosen = scp81_admin.options(__doc__)

    def one(connection):
        session = scp81_admin.Session(chosen)
        with connection:
            try:
                while not session.over and (data := connection.recv(4096)):
                    connection.sendall(session.take(data))
            except OSError as error:
                print(error, file=sys.stderr, flush=True)

    listener = socket.create_server(("127.0.0.1", chosen.port), backlog=128)
    print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    until = time.monotonic() + chosen.max_seconds
    while (left := until - time.monotonic()) > 0:
        listener.settimeout(left)
        accepted, _ = listener.accept()
        threading.Thread(target=one, args=(accepted,), daemon=True).start()


def response(stream):
    """Status, Next-URI and body of the next response; bodies have a Content-Length here."""
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return status, headers.get("x-admin-next-uri"), stream.read(int(headers.get("content-length", "0")))


def commands(script):
    """How many C-APDUs are in `AE 80 {22 length C-APDU}… 00 00`; lengths of one byte."""
    count, at = 0, 2
    while script[at]:
        at += 2 + script[at + 1]
        count += 1
    return count


def card(port, ends):
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as stream:
        local = "%s:%d" % connection.getsockname()
        uri, body = "/lab", b""
        while True:
            head = f"POST {uri} HTTP/1.1\r\nHost: lab\r\nX-Admin-Protocol: {scp81_admin.PROTOCOL}\r\nX-Admin-From: card\r\n"
            if body:
                head += f"Content-Type: {RESPONSE_TYPE}\r\nX-Admin-Script-Status: ok\r\nContent-Length: {len(body)}\r\n"
            connection.sendall(head.encode() + b"\r\n" + body)
            status, uri, script = response(stream)
            if status == 204:
                return local, "complete"
            if ends == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return local, "reset"
            body = b"\xaf\x80" + b"\x23\x02\x90\x00" * commands(script) + b"\0\0"


if sys.argv[1] == "card":
    for _ in range(int(sys.argv[3])):
        print(*card(int(sys.argv[2]), sys.argv[4]), flush=True)
else:
    serve()
