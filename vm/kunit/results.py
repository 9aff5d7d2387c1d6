#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# Prints the results that kunit.py wrote with --json, one a line, as vm/test.sh
# keeps them: pass, fail or skip, "kunit", suite and test, and a reason.
#
# usage: vm/kunit/results.py FILE

import json
import sys

WORDS = {"PASS": ("pass", ""), "SKIP": ("skip", "see above"),
         "FAIL": ("fail", "see above"), "ERROR": ("fail", "it crashed: see above")}


def put(status, name, reason):
    print(status, "kunit", name, reason, sep="\t")


def walk(group, path):
    """Prints the tests of a group; returns how many there are."""
    number = 0
    for case in group["test_cases"]:
        status, reason = WORDS[case["status"]]
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
