#!/usr/bin/env python3
"""Records TLS-PSK connections between OpenSSL and GnuTLS programs, with their plaintext.

    record_tls_open.py DIRECTORY

A proxy on the loopback interface stands between the two programs and notes what it forwards. Each suite gives one file;
its format is told in the README beside the files. Needs `openssl` (3.0 or newer), `gnutls-serv` and `gnutls-cli`.
"""

import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

IDENTITY = "card-01"
KEY = "0123456789abcdef0123456789abcdef"
LONG_KEY = "00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f"
REQUEST = b"POST /admin HTTP/1.1\r\nHost: ota.example\r\nX-Admin-From: card-01\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n" + bytes(0x20 + i % 90 for i in range(600))
LIMIT = 10


class Proxy:
    """Forwards connections to a port, one at a time, and keeps what went over each."""

    def __init__(self, port):
        self.port = port
        self.connections = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(LIMIT)
        self.own = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            lines = []
            self.connections.append(lines)
            server = socket.create_connection(("127.0.0.1", self.port))
            for source, target, mark in ((client, server, ">"), (server, client, "<")):
                threading.Thread(target=forward, args=(source, target, mark, lines), daemon=True).start()

    def close(self):
        self.listener.close()


def forward(source, target, mark, lines):
    while True:
        try:
            data = source.recv(65536)
        except OSError:
            data = b""
        if data:
            # Noted before it goes on, so that no answer stands before what it answers.
            lines.append(f"{mark} {data.hex()}")
        try:
            if data:
                target.sendall(data)
            else:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            return
        if not data:
            return


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for_port(port):
    # Looks at the kernel's table: a connection would be one that the server serves.
    wanted = f"0100007F:{port:04X} ", f"00000000:{port:04X} ", f"{'0' * 32}:{port:04X} "
    for _ in range(LIMIT * 20):
        tables = pathlib.Path("/proc/net/tcp").read_text() + pathlib.Path("/proc/net/tcp6").read_text()
        if any(mark in line and " 0A " in line for line in tables.splitlines() for mark in wanted):
            return
        time.sleep(0.05)
    raise RuntimeError("the server does not listen")


class Program:
    """A child whose output is collected while it runs."""

    def __init__(self, arguments, environment):
        self.child = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self.output = b""
        threading.Thread(target=self.collect, daemon=True).start()

    def collect(self):
        while data := self.child.stdout.read1(65536):
            self.output += data

    def say(self, data):
        self.child.stdin.write(data)
        self.child.stdin.flush()

    def wait_for(self, data):
        for _ in range(LIMIT * 50):
            if data in self.output:
                return True
            if self.child.poll() is not None:
                return data in self.output
            time.sleep(0.02)
        return False

    def end(self):
        try:
            self.child.stdin.close()
        except OSError:
            pass
        try:
            self.child.wait(2)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def write(path, title, sections):
    with open(path, "w") as file:
        file.write(f"# {title}\n")
        for name, key, request, answer, lines in sections:
            file.write(f"= {name} {IDENTITY} {key}\n")
            file.write("\n".join(lines) + "\n")
            file.write(f">> {request.hex()}\n<< {answer.hex()}\n")


# OpenSSL

def openssl_environment(directory, ems, etm):
    path = directory / f"openssl-{ems}-{etm}.cnf"
    options = ("" if ems else "-ExtendedMasterSecret,") + ("" if etm else "-EncryptThenMac,") + "Bugs"
    path.write_text(
        "openssl_conf = main\n[main]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n[all]\n"
        f"Options = {options}\nMinProtocol = TLSv1\nCipherString = DEFAULT:@SECLEVEL=0\n"
    )
    return {"OPENSSL_CONF": str(path), "PATH": "/usr/bin:/bin"}


def openssl(directory, cipher, version, ems, etm, *, tickets=True, connections=1, mfl=None, key=KEY, client_key=None):
    """One server and `connections` clients after one another, the later of which resume."""
    environment = openssl_environment(directory, ems, etm)
    session = directory / "session.pem"
    session.unlink(missing_ok=True)
    port = free_port()
    common = [f"-{version}", "-cipher", f"{cipher}:@SECLEVEL=0", "-psk_identity", IDENTITY, "-quiet"]
    server = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-nocert", "-psk", key, *common]
    if not tickets:
        server.append("-no_ticket")
    server = Program(server, environment)
    wait_for_port(port)
    proxy = Proxy(port)
    results = []
    for number in range(connections):
        request = REQUEST + f"request {number}\n".encode()
        answer = ANSWER + f"answer {number}\n".encode()
        client = ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.own}", "-psk", client_key or key, *common]
        client += ["-no_ign_eof"] + (["-maxfraglen", str(mfl)] if mfl else [])
        client += ["-sess_in", str(session)] if number else []
        client += ["-sess_out", str(session)]
        client = Program(client, environment)
        if client_key is None:
            client.say(request)
            assert server.wait_for(request), (cipher, version, "no request")
            server.say(answer)
            assert client.wait_for(answer), (cipher, version, "no answer")
        client.end()
        time.sleep(0.1)
        results.append((request, answer) if client_key is None else (b"", b""))
    proxy.close()
    server.child.terminate()
    server.end()
    assert len(proxy.connections) == connections
    return [(request, answer, lines) for (request, answer), lines in zip(results, proxy.connections)]


def record_openssl(directory, target):
    suites = {
        "PSK-AES128-CBC-SHA": ("tls1_2", "tls1_1", "tls1"),
        "PSK-AES256-CBC-SHA": ("tls1_2", "tls1_1", "tls1"),
        "PSK-AES128-CBC-SHA256": ("tls1_2",),
        "PSK-AES256-CBC-SHA384": ("tls1_2",),
        "PSK-AES128-GCM-SHA256": ("tls1_2",),
        "PSK-AES256-GCM-SHA384": ("tls1_2",),
        "PSK-NULL-SHA": ("tls1_2", "tls1_1", "tls1"),
        "PSK-NULL-SHA256": ("tls1_2",),
        "PSK-NULL-SHA384": ("tls1_2",),
    }
    for cipher, versions in suites.items():
        for version in versions:
            sections = []
            for ems in (True, False):
                etms = (True, False) if "CBC" in cipher else (True,)
                for etm in etms:
                    for tickets in (True, False):
                        runs = openssl(directory, cipher, version, ems, etm, tickets=tickets, connections=2)
                        for kind, (request, answer, lines) in zip(("full", "resumed"), runs):
                            name = "-".join(
                                [kind, "ticket" if tickets else "id"] + ["ems"] * ems + ["etm"] * etm
                            )
                            sections.append((name, KEY, request, answer, lines))
            [(request, answer, lines)] = openssl(directory, cipher, version, True, True, mfl=512, key=LONG_KEY)
            sections.append(("full-mfl512", LONG_KEY, request, answer, lines))
            write(target / f"openssl_{version}_{cipher}.flow", "openssl s_server, openssl s_client", sections)
            print(cipher, version, len(sections))
    mistaken = {
        "hex_as_text_lower": KEY.encode().hex(),
        "hex_as_text_upper": KEY.upper().encode().hex(),
        "reversed": bytes.fromhex(KEY)[::-1].hex(),
        "nibbles_swapped": bytes(b >> 4 | (b & 15) << 4 for b in bytes.fromhex(KEY)).hex(),
        "padded_32": KEY + "00" * 16,
        "other_identity": LONG_KEY,
        "zeros": "00" * 16,
        "unknown": "5a" * 16,
    }
    for cipher, ems, etm in (("PSK-AES128-CBC-SHA256", True, True), ("PSK-AES256-GCM-SHA384", False, False)):
        sections = []
        for name, client_key in mistaken.items():
            [(request, answer, lines)] = openssl(directory, cipher, "tls1_2", ems, etm, client_key=client_key)
            sections.append((name, KEY, request, answer, lines))
        write(target / f"mistaken_{cipher}.flow", "openssl s_server, openssl s_client with another key", sections)


# GnuTLS

def gnutls(directory, priority, *, connections=1, key=KEY):
    (directory / "psk").write_text(f"{IDENTITY}:{key}\n")
    port = free_port()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "GNUTLS_SYSTEM_PRIORITY_FILE": "/dev/null"}
    server = ["gnutls-serv", "--echo", "--quiet", "-p", str(port), "--priority", priority]
    server = Program([*server, "--pskpasswd", str(directory / "psk")], environment)
    wait_for_port(port)
    proxy = Proxy(port)
    client = ["gnutls-cli", "-p", str(proxy.own), "127.0.0.1", "--priority", priority, "--insecure"]
    client += ["--pskusername", IDENTITY, "--pskkey", key, "--logfile", "/dev/null"]
    client += ["--resume"] if connections > 1 else []
    client = Program(client, environment)
    time.sleep(1.2 if connections > 1 else 0.3)
    text = b"An echo for " + priority.encode() + b"\n"
    client.say(text)
    assert client.wait_for(text), (priority, "no echo")
    client.end()
    time.sleep(0.1)
    proxy.close()
    server.child.terminate()
    server.end()
    assert len(proxy.connections) == connections, (priority, len(proxy.connections))
    said = [b""] * (connections - 1) + [text]
    return [(text, text, lines) for text, lines in zip(said, proxy.connections)]


def record_gnutls(directory, target):
    suites = {
        "AES-128-CBC:+SHA1": ("1.2", "1.1", "1.0"),
        "AES-256-CBC:+SHA1": ("1.2",),
        "3DES-CBC:+SHA1": ("1.2", "1.1", "1.0"),
        "AES-128-CBC:+SHA256": ("1.2",),
        "AES-256-CBC:+SHA384": ("1.2",),
        "AES-128-GCM:+AEAD": ("1.2",),
        "AES-256-GCM:+AEAD": ("1.2",),
        "NULL:+SHA1": ("1.2", "1.0"),
        "NULL:+SHA256": ("1.2",),
        "NULL:+SHA384": ("1.2",),
    }
    for suite, versions in suites.items():
        for version in versions:
            sections = []
            for ems in (True, False):
                for etm in (True, False) if "CBC" in suite else (True,):
                    for kind in ("full", "resumed-ticket", "resumed-id"):
                        priority = f"NONE:+VERS-TLS{version}:+PSK:+{suite}:+COMP-NULL:+SIGN-ALL:+GROUP-ALL"
                        priority += "" if ems else ":%NO_SESSION_HASH"
                        priority += "" if etm else ":%NO_ETM"
                        priority += "" if kind == "resumed-ticket" else ":%NO_TICKETS"
                        key = LONG_KEY if kind == "full" else KEY
                        runs = gnutls(directory, priority, connections=1 if kind == "full" else 2, key=key)
                        for number, (request, answer, lines) in enumerate(runs):
                            which = kind if number == len(runs) - 1 else f"full-before-{kind}"
                            name = "-".join([which] + ["ems"] * ems + ["etm"] * etm)
                            sections.append((name, key, request, answer, lines))
            file = suite.replace(":+", "-")
            write(target / f"gnutls_{version}_{file}.flow", "gnutls-serv --echo, gnutls-cli", sections)
            print(suite, version, len(sections))


def main():
    target = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        record_openssl(directory, target)
        record_gnutls(directory, target)


main()
