#!/usr/bin/env bash
# Runs the tests that were built, and says once more at the end which failed: thousands of lines lie between.
# The lines that only say that a test began are left out.
set -uo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"${SWIFT:-swift}" test --skip-build "$@" 2>&1 | tee "$log" | grep --line-buffered -av '^◇ .* started\.$'
status=${PIPESTATUS[0]}
if [ "$status" -ne 0 ]; then
  printf '\nFailed:\n'
  # A crash leaves no failed test: then the last lines say more.
  grep -a '^✘' "$log" | grep -av '^✘ Test run' || tail -n 20 "$log"
fi
exit "$status"
