"""An SCP81 administration server without TLS that writes a row for each request before it answers: a thread, and a connection
to the database, for each card.

    scp81_rows.py PORT KEYFILE

The port of the database is in ROWS_PORT.
"""

import os
import socket
import threading
import time

import psycopg
import scp81_admin

chosen = scp81_admin.options(__doc__)
database = f"host=127.0.0.1 port={os.environ['ROWS_PORT']} user=postgres dbname=postgres sslmode=disable"


def one(connection):
    session = scp81_admin.Session(chosen)
    with connection, psycopg.connect(database, autocommit=True) as rows:
        while not session.over and (data := connection.recv(4096)):
            if answer := session.take(data):
                rows.execute("INSERT INTO requests VALUES (1)")
                connection.sendall(answer)


listener = socket.create_server(("127.0.0.1", chosen.port), backlog=128)
print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
until = time.monotonic() + chosen.max_seconds
while (left := until - time.monotonic()) > 0:
    listener.settimeout(left)
    accepted, _ = listener.accept()
    threading.Thread(target=one, args=(accepted,), daemon=True).start()
