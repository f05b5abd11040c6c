#!/bin/sh
# Makes a folder in which a linker finds nothing but the static forms of libcrypto and zlib: named first, it gives the
# binary those. Where a system has none (Fedora: openssl-static, zlib-static) it stays empty, and the shared ones are taken.
set -eu
[ "$(uname -s)" = Linux ] || exit 0
mkdir -p "$1"
for name in libcrypto.a libz.a; do
  rm -f "$1/$name"
  path=$(${CC:-cc} -print-file-name="$name" 2>/dev/null || clang -print-file-name="$name")
  case "$path" in
    /*) ln -s "$path" "$1/$name" ;;
    *) echo "note: there is no $name: the binary will want the shared library" >&2 ;;
  esac
done
