"""Prints the cases of a JUnit report: read_report.py REPORT KEY; parameters as the agent names them with the key in KEY."""

import hashlib
import hmac
import sys
import xml.etree.ElementTree as tree

key = open(sys.argv[2], "rb").read()
for case in tree.parse(sys.argv[1]).iter("testcase"):
    name, bracket, rest = case.get("name").partition("[")
    if bracket:
        inside = rest.rpartition("]")[0]
        name += "[" + hmac.new(key, inside.encode(), hashlib.sha256).hexdigest()[:12] + "]"
    outcome = "passed"
    for child in case:
        if child.tag in ("failure", "error", "skipped"):
            outcome = {"failure": "failed", "error": "error", "skipped": "skipped"}[child.tag]
            if child.get("type") == "pytest.xfail":
                outcome = "xfailed"
    print(case.get("classname"), name, outcome)
