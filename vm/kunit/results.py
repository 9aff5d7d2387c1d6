#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# Prints the results that kunit.py wrote with --json, one a line, as vm/test.sh
# keeps them: pass, fail or skip, the name ("kunit"), suite and test, and a
# reason. Why a test was skipped is in the log of the guest only.
#
# usage: vm/kunit/results.py FILE [NAME [LOG]]

import json
import re
import sys

WORDS = {"PASS": ("pass", ""), "SKIP": ("skip", "see above"),
         "FAIL": ("fail", "see above"), "ERROR": ("fail", "it crashed: see above")}


def skips(log):
    """The reasons of the tests that were skipped, by name."""
    with open(log, encoding="utf-8", errors="replace") as file:
        found = (re.search(r"\bok \d+ (\S+) # SKIP (.*\S)", line) for line in file)
        return {m[1]: m[2] for m in found if m}


NAME = sys.argv[2] if len(sys.argv) > 2 else "kunit"
REASONS = skips(sys.argv[3]) if len(sys.argv) > 3 else {}


def put(status, name, reason):
    print(status, NAME, name, reason, sep="\t")


def walk(group, path):
    """Prints the tests of a group; returns how many there are."""
    number = 0
    for case in group["test_cases"]:
        status, reason = WORDS[case["status"]]
        if status == "skip":
            reason = REASONS.get(case["name"], reason)
        put(status, ": ".join(path + [case["name"] or "a test"]), reason)
        number += 1
    for sub in group["sub_groups"]:
        number += walk(sub, path + [sub["name"]])
    return number


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        top = json.load(file)
    number = walk(top, [])
    said = top["misc"]
    if number == 0:
        put("fail", "all tests", "there were none")
    # for a plan that was not kept, and a suite that did not come to its end
    if said["errors"]:
        put("fail", "all tests", f"{said['errors']} errors in what they printed: see above")
    if number != said["tests"]:
        put("fail", "all tests", f"{number} have names, {said['tests']} were counted")


main()
