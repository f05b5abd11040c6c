#!/bin/sh
# Makes sure that the system packages named are there: installs them on Debian and its relatives (with sudo where one is
# not root), and says what to install elsewhere. A name with a question mark before it is of a package that may be missing:
# it is installed where it is to be had and nobody is asked for a password, and else left out.
set -eu

command -v swift >/dev/null 2>&1 || {
  echo "error: Swift is not on the PATH" >&2
  echo "hint: install Swift 6.2 or later: https://www.swift.org/install" >&2
  exit 1
}

if [ "$(uname -s)" = Darwin ]; then
  command -v brew >/dev/null 2>&1 && brew list openssl@3 zlib openblas sentencepiece pkgconf >/dev/null 2>&1 && exit 0
  echo "error: OpenSSL, zlib, OpenBLAS or SentencePiece is missing" >&2
  echo "hint: brew install openssl@3 zlib openblas sentencepiece pkgconf" >&2
  exit 1
fi

if ! command -v dpkg-query >/dev/null 2>&1; then
  command -v pkg-config >/dev/null 2>&1 && pkg-config --exists libcrypto zlib && exit 0
  echo "error: the development files of OpenSSL or zlib are missing" >&2
  echo "hint: on Fedora: dnf install openssl-devel zlib-devel openblas sentencepiece-libs; on Arch: pacman -S openssl zlib openblas sentencepiece" >&2
  exit 1
fi

missing=
optional=
for package in "$@"; do
  name=${package#\?}
  case "$(dpkg-query -W -f '${Status}' "$name" 2>/dev/null)" in
    "install ok installed") ;;
    *) if [ "$name" = "$package" ]; then missing="$missing $name"; else optional="$optional $name"; fi ;;
  esac
done
if [ -n "$optional" ] && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
  as_root=
  [ "$(id -u)" = 0 ] || as_root="sudo -n"
  # shellcheck disable=SC2086  # one word a package
  { $as_root apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $optional; } >/dev/null 2>&1 \
    || echo "not to be had here:$optional; what needs it is skipped"
fi
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null 2>&1 || {
    echo "error: these packages are missing:$missing" >&2
    echo "hint: as root: apt-get install$missing" >&2
    exit 1
  }
  as_root=sudo
fi
echo "installing:$missing"
# shellcheck disable=SC2086  # one word a package
{
  $as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing
} >/dev/null
