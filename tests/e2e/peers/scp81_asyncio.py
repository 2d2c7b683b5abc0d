"""An SCP81 administration server on asyncio: TLS in memory BIOs of the system's libssl, bytes moved by the event loop.

Python 3.13 has PSK callbacks of its own. Older ones get them from sslpsk3, which sets them up anew at each step of a
handshake in memory; that would start the handshake over, so it is done here once.
"""

import asyncio
import ssl
import sys

import scp81_admin

chosen = scp81_admin.options(__doc__)
keys = scp81_admin.keys(chosen.keyfile)


def key_of(identity):
    return keys.get(identity, b"")


if hasattr(ssl.SSLContext, "set_psk_server_callback"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
else:
    import sslpsk3.sslpsk3

    class OnceObject(sslpsk3.sslpsk3.SSLPSKObject):
        prepared = False

        def do_handshake(self):
            if not self.prepared:
                self.context.setup_psk_callbacks(self)
                self.prepared = True
            ssl.SSLObject.do_handshake(self)

    context = sslpsk3.SSLPSKContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = OnceObject
version = ssl.TLSVersion.TLSv1_3 if chosen.tls == "1.3" else ssl.TLSVersion.TLSv1_2
context.minimum_version = context.maximum_version = version
context.set_ciphers(chosen.ciphers)
context.set_psk_server_callback(key_of)


async def serve(reader, writer):
    session = scp81_admin.Session(chosen)
    try:
        while not session.over and (data := await reader.read(4096)):
            writer.write(session.take(data))
            await writer.drain()
        writer.close()
        await writer.wait_closed()
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr, flush=True)
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", chosen.port, ssl=context, backlog=128)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.sleep(chosen.max_seconds)


asyncio.run(main())
