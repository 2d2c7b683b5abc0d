"""Serves in odd ways with descriptors: descriptors.py PORT WAY [COUNT].

The clients are lab-cards that only shake hands, so a server in Python needs TLS: it runs `openssl s_server`-like sessions
through the ssl module of sslpsk3's Python. WAY is one of
  dup        the accepted socket is duplicated, the original closed, the session goes on with the copy
  late       the same, but it takes a while before the copy is used
  dup2       the same with dup2 onto a number that another connection had
  range      a forked child closes everything that it does not need with close_range
  fork       a child for each connection, the parent closes its copy at once
  exec       a child that executes this program again with the socket as descriptor 0
  threads    eight threads that accept, serve and close: numbers are used again at once
  passed     the socket is sent to another process over a UNIX socket
  serve      (for exec) serves descriptor 0
"""

import os
import socket
import ssl
import sys
import threading
import time

import sslpsk3

KEY = bytes.fromhex("00112233445566778899aabbccddeeff")


def serve(connection):
    try:
        session = sslpsk3.wrap_socket(
            connection,
            psk=lambda identity: KEY,
            hint=b"e2e",
            server_side=True,
            ssl_version=ssl.PROTOCOL_TLSv1_2,
            ciphers="PSK-AES128-CBC-SHA256",
        )
        try:
            session.recv(1024)
        finally:
            session.close()
    except OSError as error:
        print(error, flush=True)
    finally:
        connection.close()


def child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def duplicated(connection):
    copy = socket.socket(fileno=os.dup(connection.fileno()))
    connection.close()
    serve(copy)


def duplicated_and_used_late(connection):
    copy = socket.socket(fileno=os.dup(connection.fileno()))
    connection.close()
    time.sleep(2)
    serve(copy)


def duplicated_onto(connection, spare):
    # The number belonged to the connection before.
    os.dup2(connection.fileno(), spare)
    connection.close()
    serve(socket.socket(fileno=os.dup(spare)))
    with open("/dev/null") as nothing:
        os.dup2(nothing.fileno(), spare)


def closing_a_range(connection):
    connection = socket.socket(fileno=os.dup2(connection.detach(), 100))
    os.closerange(3, 100)
    serve(connection)


def executed(connection):
    os.dup2(connection.fileno(), 0)
    os.execv(sys.executable, [sys.executable, sys.argv[0], "0", "serve"])


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def main():
    way = sys.argv[2]
    if way == "serve":
        serve(socket.socket(fileno=os.dup(0)))
        return
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
    if way == "threads":

        def loop():
            while True:
                serve(listener.accept()[0])

        for _ in range(8):
            threading.Thread(target=loop, daemon=True).start()
        threading.Event().wait()
    if way == "passed":
        ours, theirs = socket.socketpair()

        def receiver():
            listener.close()
            while True:
                _, fds, _, _ = socket.recv_fds(theirs, 1, 1)
                serve(socket.socket(fileno=fds[0]))

        child(receiver)
    spare = os.dup(listener.fileno())
    while True:
        connection, _ = listener.accept()
        if way == "dup":
            duplicated(connection)
        elif way == "late":
            duplicated_and_used_late(connection)
        elif way == "dup2":
            duplicated_onto(connection, spare)
        elif way == "range":
            child(lambda: closing_a_range(connection))
            connection.close()
        elif way == "fork":
            child(lambda: (listener.close(), serve(connection)))
            connection.close()
        elif way == "exec":
            child(lambda: executed(connection))
            connection.close()
        elif way == "passed":
            socket.send_fds(ours, [b"c"], [connection.fileno()])
            connection.close()
        reap()


main()
