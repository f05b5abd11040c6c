#!/bin/sh
# Fuzzes the parsers with libFuzzer and the address sanitizer; Documentation/testing.md says how and why.
#
#   Scripts/fuzz.sh <seconds for each parser> [parser ...]
#
# What ends the program is kept in FuzzTesting/FailCases/<parser>/, where the tests replay it. Exit status 1 where
# something was found.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:?usage: Scripts/fuzz.sh <seconds> [parser ...]}
shift
scratch=.build-fuzz
fixtures=Tests/Fixtures

# The parsers are those of FuzzedParser.
all=$(sed -n 's/^  case \([a-z][A-Za-z]*\)$/\1/p' FuzzTesting/Parsers/FuzzedParser.swift)
[ $# -gt 0 ] || set -- $all

# FUZZ_BINARY is one that was built before, by this script.
binary=${FUZZ_BINARY:-$scratch/release/belle-fuzz}
[ -n "${FUZZ_BINARY:-}" ] || BELLE_FUZZ=1 ${SWIFT:-swift} build -c release --scratch-path $scratch --product belle-fuzz \
  -Xswiftc -sanitize=fuzzer,address -Xswiftc -use-ld=lld -Xcc -fsanitize=fuzzer-no-link,address >$scratch.log 2>&1 || {
  cat $scratch.log
  exit 1
}
rm -f $scratch.log

# Sound files of the kind, and hostile ones, to begin with.
seeds() {
  case $1 in
    safetensors) find $fixtures -name '*.safetensors' -size -100k ;;
    archive | release) find $fixtures -path '*torch-old*' -prune -o -size -20k \( -name '*.pt' -o -name '*.bin' \) -print ;;
    pickle) find $fixtures -size -20k \( -name '*legacy*' -o -name '*.pkl' \) ;;
    tar) find $fixtures -name 'tar*.pt' ;;
    gguf) find $fixtures -name '*.gguf' -size -64k ;;
    pieces) find $fixtures Examples -name tokenizer.model -size -64k ;;
    index) find $fixtures -name '*.index.json' ;;
    parameters) find $fixtures Examples -name params.json ;;
    configuration) find $fixtures Examples -name config.json ;;
    adapter) find $fixtures -name adapter_config.json ;;
    importance) find $fixtures/importance -name '*.dat' -o -name '*.gguf' ;;
    llama) find $fixtures -name '*.gguf' -size -4k ;;
    manifest) find checksums Examples -type f -name '*.md5' ;;
  esac
}

found=0
for parser; do
  corpus=$scratch/corpus/$parser
  failures=FuzzTesting/FailCases/$parser
  mkdir -p "$corpus" "$failures"
  [ ! -d FuzzTesting/Seeds/$parser ] || cp FuzzTesting/Seeds/$parser/* "$corpus"
  seeds "$parser" | while read -r file; do
    cp "$file" "$corpus/$(echo "$file" | tr / _)"
  done
  # Of a zip its pickle too: the fuzzer of pickles puts them into sound zips itself.
  if [ "$parser" = pickle ] && command -v unzip >/dev/null; then
    for file in $(seeds archive); do
      unzip -p "$file" '*/data.pkl' >"$corpus/$(echo "$file" | tr / _).pkl" 2>/dev/null || true
    done
  fi
  dictionary=FuzzTesting/Dictionaries/$parser.dict
  [ -f "$dictionary" ] && dictionary=-dict=$dictionary || dictionary=
  echo "== $parser, $seconds s"
  # No input of 64 KiB may ask for more memory at once than the largest view that is accepted, and its copies.
  # The program itself sees to the time that an input takes; libFuzzer's limit is for what never ends.
  BELLE_PARSER=$parser $binary -max_total_time="$seconds" -timeout=1200 -report_slow_units=1200 -malloc_limit_mb=128 \
    -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 -artifact_prefix="$failures/" $dictionary "$corpus" \
    >"$scratch/$parser.log" 2>&1 || {
    found=1
    grep -aE 'Fatal error|ERROR|SUMMARY|Test unit written' "$scratch/$parser.log" || tail -5 "$scratch/$parser.log"
  }
  grep -aE 'stat::(number_of_executed_units|peak_rss_mb)' "$scratch/$parser.log" || true
  grep -aE '^#.*cov:' "$scratch/$parser.log" | tail -1
  rmdir "$failures" 2>/dev/null || true
done
rmdir FuzzTesting/FailCases 2>/dev/null || true
exit $found
