#!/bin/sh
# Records what `--help` says, of the program and of each verb, as the tests hold it (Tests/Fixtures/help). A difference
# is to be read before it is committed.
#
# usage: golden.sh BELLE-TOOLS
set -eu
tool=$1
folder=$(dirname "$0")/../Tests/Fixtures/help
mkdir -p "$folder"
rm -f "$folder"/*.txt
unset COLUMNS
"$tool" --help </dev/null >"$folder/belle-tools.txt"
for verb in $("$tool" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
  "$tool" "$verb" --help </dev/null >"$folder/$verb.txt"
done
git -C "$folder" diff --stat -- . 2>/dev/null || true
