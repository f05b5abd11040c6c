#!/bin/sh
# Writes calibration/*.txt into Sources/Quantize/Calibration/EmbeddedCorpus.swift, so that the binary can calibrate wherever
# it is installed. Run by `make corpus` after a change in calibration/; a test fails while the two differ.
set -eu
cd "$(dirname "$0")/.."
out=Sources/Quantize/Calibration/EmbeddedCorpus.swift
{
  printf '%s\n' '// Made by Scripts/embed-corpus.sh from calibration/*.txt. Do not edit: change those, then `make corpus`.' ''
  printf '%s\n' '// swift-format-ignore-file' '' '/// The files of calibration/: name and text.'
  printf '%s\n' 'enum EmbeddedCorpus {' '  static let files: [(path: String, text: String)] = ['
  for file in calibration/*.txt; do
    printf '    ("%s", ###"""\n' "${file#calibration/}"
    awk '{ print }' "$file"
    printf '\n"""###),\n'
  done
  printf '  ]\n}\n'
} >"$out.new"
mv "$out.new" "$out"
