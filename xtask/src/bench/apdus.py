"""Reads numbers from standard input, sends so many APDUs to the card in the first reader, and answers each line with the
nanoseconds that the one in the middle took."""

import ctypes
import sys
import time

pcsc = ctypes.CDLL("libpcsclite.so.1")
long, byte = ctypes.c_ulong, ctypes.c_ubyte


def check(what, code):
    code &= 0xFFFFFFFF
    if code != 0:
        sys.exit(f"{what}: {code:08X}")


def first_reader(context):
    """The card may be seen a moment after the reader."""
    for _ in range(100):
        size = long(0)
        if pcsc.SCardListReaders(context, None, None, ctypes.byref(size)) == 0:
            names = ctypes.create_string_buffer(size.value)
            check("SCardListReaders", pcsc.SCardListReaders(context, None, names, ctypes.byref(size)))
            return names.raw.split(b"\0")[0]
        time.sleep(0.1)
    sys.exit("there is no reader")


context, card, protocol = ctypes.c_long(), ctypes.c_long(), long()
check("SCardEstablishContext", pcsc.SCardEstablishContext(long(0), None, None, ctypes.byref(context)))
reader = first_reader(context)
for attempt in range(100):
    code = pcsc.SCardConnect(context, reader, long(2), long(1), ctypes.byref(card), ctypes.byref(protocol))
    if code == 0:
        break
    time.sleep(0.1)
check("SCardConnect", code)

control = ctypes.addressof(byte.in_dll(pcsc, "g_rgSCardT0Pci"))
command = (byte * 5)(0x80, 0xF2, 0, 0, 0)
answer = (byte * 258)()
for line in sys.stdin:
    count = int(line)
    times = []
    for _ in range(count):
        size = long(258)
        start = time.perf_counter_ns()
        check("SCardTransmit", pcsc.SCardTransmit(
            card, ctypes.c_void_p(control), command, long(5), None, answer, ctypes.byref(size)))
        times.append(time.perf_counter_ns() - start)
    print(sorted(times)[count // 2], flush=True)
