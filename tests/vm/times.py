"""Times as the agent told them, beside those that a device lived."""

import sys

# An emulated machine takes its time to bring bytes to and from the device: what is over in no time cannot be compared.
LEAST = 0.5
SHARE = 0.2


def must_agree(pairs):
    """Of (told, lived) in seconds: there are some that are long enough, and they are no further apart than SHARE of what was lived."""
    long = [(told, lived) for told, lived in pairs if lived >= LEAST]
    far = [(told, lived) for told, lived in long if abs(told - lived) > SHARE * lived]
    if not long:
        print(f"none of {len(pairs)} took {LEAST} s: no time can be compared")
        sys.exit(1)
    if far:
        print("times told and lived, in seconds:", far)
        sys.exit(1)
    print(f"{len(long)} times told are those that were lived, within {SHARE:.0%}")
