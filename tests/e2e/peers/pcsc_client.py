"""A program on libpcsclite: `pcsc_client.py READER STEP…`. A step is an APDU in hex, or a word below. Says `STEP SW`."""
import sys
import time

from smartcard.System import readers
from smartcard.scard import (
    SCARD_LEAVE_CARD, SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T1, SCARD_SCOPE_USER, SCARD_SHARE_EXCLUSIVE,
    SCARD_SHARE_SHARED, SCARD_PCI_T0, SCARD_RESET_CARD, SCardBeginTransaction, SCardConnect, SCardDisconnect,
    SCardEndTransaction, SCardEstablishContext, SCardTransmit,
)

name, steps = sys.argv[1], sys.argv[2:]
_, context = SCardEstablishContext(SCARD_SCOPE_USER)
card = None
for step in steps:
    if step in ("exclusive", "shared"):
        mode = SCARD_SHARE_EXCLUSIVE if step == "exclusive" else SCARD_SHARE_SHARED
        code, card, _ = SCardConnect(context, name, mode, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)
    elif step == "begin":
        code = SCardBeginTransaction(card)
    elif step == "end":
        code = SCardEndTransaction(card, SCARD_LEAVE_CARD)
    elif step == "disconnect":
        code = SCardDisconnect(card, SCARD_LEAVE_CARD)
    elif step == "reset":
        code = SCardDisconnect(card, SCARD_RESET_CARD)
    elif step == "go":
        print("waiting", flush=True)
        sys.stdin.readline()
        continue
    elif step.startswith("sleep="):
        time.sleep(float(step[6:]))
        continue
    else:
        code, answer = SCardTransmit(card, SCARD_PCI_T0, list(bytes.fromhex(step)))
        if code == 0:
            print(step, bytes(answer[-2:]).hex().upper(), flush=True)
            continue
    print(step, f"{code & 0xFFFFFFFF:08X}", flush=True)
print("done", flush=True)
