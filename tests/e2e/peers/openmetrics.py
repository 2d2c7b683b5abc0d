"""Reads a page in either text format with the parsers of the Prometheus project, and prints what it says as JSON."""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_classic

READ = {"openmetrics": read_open, "classic": read_classic}[sys.argv[1]]


def bound(labels):
    # The formats write the same bound differently.
    return {name: str(float(value)) if name == "le" else value for name, value in labels.items()}


families = []
for family in READ(sys.stdin.read()):
    samples = [[one.name, bound(one.labels), repr(float(one.value))] for one in family.samples]
    families.append({"name": family.name, "kind": family.type, "unit": family.unit, "help": family.documentation, "samples": samples})
json.dump(families, sys.stdout)
