#!/bin/sh
# Writes checksums/ into Sources/Checksum/EmbeddedChecksums.swift, so that the binary knows the releases wherever it is
# installed. Run by `make registry` after a change in checksums/; a test fails while the two differ.
set -eu
cd "$(dirname "$0")/.."
out=Sources/Checksum/EmbeddedChecksums.swift
{
  printf '%s\n' '// Made by Scripts/embed-checksums.sh from the files in checksums/, which name their sources. Do not edit: change those,'
  printf '%s\n' '// then `make registry`.' '' '// swift-format-ignore-file' '' '/// The files of checksums/: path below that folder, and text.'
  printf '%s\n' 'enum EmbeddedChecksums {' '  static let files: [(path: String, text: String)] = ['
  (cd checksums && LC_ALL=C find . -type f ! -name README.md | LC_ALL=C sort) | while read -r file; do
    printf '    ("%s", ##"""\n' "${file#./}"
    # A last line without line feed gets one: the lists do not care.
    awk '{ print }' "checksums/$file"
    printf '\n"""##),\n'
  done
  printf '  ]\n}\n'
} >"$out.new"
mv "$out.new" "$out"
