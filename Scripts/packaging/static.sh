#!/bin/sh
# Makes a folder with the static forms of libcrypto and zlib, and pkg-config files that name it: with the folder first in
# PKG_CONFIG_PATH the binary gets those. The system's own files name the system's folder, where the linker would take the
# shared ones, whatever is named behind it. Where a system has no static form (Fedora: openssl-static, zlib-static) the
# shared one is taken.
set -eu
[ "$(uname -s)" = Linux ] || exit 0
mkdir -p "$1"
folder=$(cd "$1" && pwd)
for pair in libcrypto:crypto zlib:z; do
  name=${pair%:*} library=${pair#*:}
  rm -f "$folder/lib$library.a" "$folder/$name.pc"
  path=$(${CC:-cc} -print-file-name="lib$library.a" 2>/dev/null || clang -print-file-name="lib$library.a")
  case "$path" in
    /*) ;;
    *)
      echo "note: there is no lib$library.a: the binary will want the shared library" >&2
      continue
      ;;
  esac
  ln -s "$path" "$folder/lib$library.a"
  printf 'Name: %s\nDescription: the static form\nVersion: %s\nLibs: -L%s -l%s\nCflags:\n' \
    "$name" "$(pkg-config --modversion "$name" 2>/dev/null || echo 0)" "$folder" "$library" >"$folder/$name.pc"
done
