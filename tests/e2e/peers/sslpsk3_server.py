"""A PSK-TLS server on sslpsk3: one connection at a time, echoes one message."""

import socket
import ssl
import sys

import sslpsk3

KEYS = {b"card-1": bytes.fromhex("00112233445566778899aabbccddeeff")}

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    try:
        with sslpsk3.wrap_socket(
            connection,
            psk=lambda identity: KEYS.get(identity, b""),
            hint=b"e2e",
            server_side=True,
            ssl_version=ssl.PROTOCOL_TLSv1_2,
            ciphers="PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256",
        ) as session:
            session.send(session.recv(1024))
    except OSError as error:
        print(error, flush=True)
    finally:
        connection.close()
