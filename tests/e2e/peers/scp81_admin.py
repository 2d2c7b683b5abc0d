"""What the Python administration servers share: command line, keys, and the HTTP side of SCP81 (GPC_SPE_011 §3), without I/O.

A session is a step of its own each time: the Next-URI says how many scripts are left, so that a card that resumes on a new
connection goes on where it was.
"""

import argparse

PROTOCOL = "globalplatform-remote-admin/1.0"
COMMAND_TYPE = "application/vnd.globalplatform.card-content-mgt;version=1.0"
SCRIPT = "80F24002024F0000,80CA006600,00A4040C07A0000000871002"
STEP = "/lab/scripts/"
MOST_HEAD = 16 << 10
MOST_BODY = 1 << 20


def options(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("port", type=int, help="on 127.0.0.1; 0 picks one")
    parser.add_argument("keyfile", help="lines of identity:hexkey")
    parser.add_argument("--exchanges", type=int, default=1, help="command scripts before the 204")
    parser.add_argument("--script", default=SCRIPT, help="the C-APDUs of each script: HEX,HEX…")
    parser.add_argument("--chunked", action="store_true", help="bodies in chunks instead of a Content-Length")
    parser.add_argument("--ciphers", default="PSK-AES128-CBC-SHA256", help="OpenSSL's cipher list")
    parser.add_argument("--tls", choices=["1.2", "1.3"], default="1.2")
    parser.add_argument("--max-seconds", type=float, default=120)
    return parser.parse_args()


def keys(path):
    """Keys by identity, which may hold colons."""
    found = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.strip()
            if line and not line.startswith("#"):
                identity, _, key = line.rpartition(":")
                found[identity] = bytes.fromhex(key)
    return found


def length(value):
    """A BER length."""
    if len(value) < 0x80:
        return bytes([len(value)])
    octets = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def script(text):
    """`AE 80 {22 length C-APDU}… 00 00` (TS 102 226 §5.2.1)."""
    apdus = [bytes.fromhex(word) for word in text.split(",")]
    return b"\xae\x80" + b"".join(b"\x22" + length(apdu) + apdu for apdu in apdus) + b"\0\0"


class Session:
    """One connection's conversation: bytes in, bytes out."""

    def __init__(self, chosen):
        self.exchanges = chosen.exchanges
        self.script = script(chosen.script)
        self.chunked = chosen.chunked
        self.buffer = b""
        self.over = False

    def take(self, data):
        """The answers to the requests that are whole with these bytes."""
        self.buffer += data
        out = b""
        while not self.over and (head := self.request()) is not None:
            out += self.answer(head.split(" ")[1])
        return out

    def request(self):
        """Takes a whole request off the buffer, and returns its first line."""
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            if len(head) > MOST_HEAD:
                raise ValueError("the head is too long")
            return None
        first, *lines = head.decode("ascii").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if not first.startswith("POST "):
            raise ValueError(f"no POST: {first}")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            rest = after_chunks(rest)
        else:
            size = int(headers.get("content-length", "0"))
            if size > MOST_BODY:
                raise ValueError("the body is too long")
            rest = rest[size:] if len(rest) >= size else None
        if rest is None:
            return None
        self.buffer = rest
        return first

    def answer(self, uri):
        left = int(uri[len(STEP) :]) - 1 if uri.startswith(STEP) else self.exchanges
        if left <= 0:
            self.over = True
            return f"HTTP/1.1 204 No Content\r\nX-Admin-Protocol: {PROTOCOL}\r\n\r\n".encode()
        head = [
            "HTTP/1.1 200 OK",
            f"X-Admin-Protocol: {PROTOCOL}",
            f"X-Admin-Next-URI: {STEP}{left}",
            f"Content-Type: {COMMAND_TYPE}",
            "X-Admin-Targeted-Application: //aid/A000000151/000000",
            "Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {len(self.script)}",
        ]
        body = self.script
        if self.chunked:
            chunks = (body[at : at + 16] for at in range(0, len(body), 16))
            body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def after_chunks(rest):
    """What follows a chunked body, or None when it is not whole."""
    total = 0
    while True:
        line, end, rest = rest.partition(b"\r\n")
        if not end:
            return None
        size = int(line.split(b";")[0], 16)
        total += size
        if total > MOST_BODY:
            raise ValueError("the body is too long")
        if len(rest) < size + 2:
            return None
        rest = rest[size + 2 :]
        if size == 0:
            return rest
