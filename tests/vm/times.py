"""Times as the agent told them, beside those that a device lived."""

# An emulated machine takes its time to bring bytes to and from the device: what is over in no time cannot be compared.
LEAST = 0.5
SHARE = 0.2


def wrong(pairs):
    """Of (told, lived) in seconds those long enough that are further apart than SHARE of what was lived, and how many are right."""
    compared = [(told, lived) for told, lived in pairs if lived >= LEAST]
    far = [(told, lived) for told, lived in compared if abs(told - lived) > SHARE * lived]
    return far, len(compared) - len(far)
