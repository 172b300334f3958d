"""sleeps.py FILE: a line in FILE for each second, and what CLOCK_MONOTONIC reads then."""
import sys
import time

before = time.monotonic()
number = 0
while True:
    time.sleep(1)
    now = time.monotonic()
    number += 1
    with open(sys.argv[1], "a") as out:
        print(number, "on" if before < now < before + 120 else f"{before} {now}", file=out)
    before = now
