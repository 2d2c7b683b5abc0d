"""An SCP81 administration server on sslpsk3: the system's libssl, a thread per connection, sockets that block."""

import socket
import ssl
import sys
import threading
import time

import scp81_admin
import sslpsk3

chosen = scp81_admin.options(__doc__)
keys = scp81_admin.keys(chosen.keyfile)
context = sslpsk3.SSLPSKContext(ssl.PROTOCOL_TLS_SERVER)
version = ssl.TLSVersion.TLSv1_3 if chosen.tls == "1.3" else ssl.TLSVersion.TLSv1_2
context.minimum_version = context.maximum_version = version
context.set_ciphers(chosen.ciphers)
context.psk_force_openssl = True
context.set_psk_server_callback(lambda identity: keys.get(identity, b""))


def serve(connection):
    session = scp81_admin.Session(chosen)
    try:
        with context.wrap_socket(connection, server_side=True) as tls:
            while not session.over and (data := tls.recv(4096)):
                tls.sendall(session.take(data))
            tls.unwrap()
    except (OSError, ValueError) as error:
        # A card that closes without a close_notify comes here too.
        print(error, file=sys.stderr, flush=True)
    finally:
        connection.close()


listener = socket.create_server(("127.0.0.1", chosen.port), backlog=128)
print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
until = time.monotonic() + chosen.max_seconds
while (left := until - time.monotonic()) > 0:
    listener.settimeout(left)
    try:
        accepted, _ = listener.accept()
    except TimeoutError:
        break
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=serve, args=(accepted,), daemon=True).start()
