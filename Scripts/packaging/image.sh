#!/bin/sh
# An OCI image: plain Debian, and in it the package that deb.sh made, with its dependencies. No engine is needed:
# debootstrap makes the tree, umoci the image. Wants root, for owners and chroot.
#
# usage: image.sh FOLDER
#   MIRROR  where Debian's packages come from; by default debootstrap's
#   BASE    a tree that debootstrap has made, which is copied in place of a new one
set -eu
out=$(cd "$1" && pwd)
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
missing=
for tool in debootstrap umoci; do command -v "$tool" >/dev/null || missing="$missing $tool"; done
[ -z "$missing" ] || {
  echo "error: missing:$missing" >&2
  echo "hint: apt-get install$missing" >&2
  exit 1
}
[ "$(id -u)" = 0 ] || {
  echo "error: an image's tree has files of root's and of others: this wants root" >&2
  echo "hint: make deb first, as yourself, and then: sudo $0 $1" >&2
  exit 1
}
package=$(ls -t "$out"/belle-tools_*.deb | head -n 1)
version=$(dpkg-deb -f "$package" Version)
architecture=$(dpkg-deb -f "$package" Architecture)
work=$(mktemp -d "$out/image-XXXXXX")
tree=$work/tree
trap 'rm -rf "$work"' EXIT
if [ -n "${BASE:-}" ]; then
  cp -a "$BASE" "$tree"
else
  debootstrap --variant=minbase "$suite" "$tree" ${MIRROR:+"$MIRROR"} >"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    exit 1
  }
fi
"$(dirname "$0")/into.sh" "$tree" "$package"
chroot "$tree" apt-get clean
# What an image needs not, or has of the machine that it was made on.
rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/debconf/*-old "$tree"/var/log/* "$tree"/tmp/* \
  "$tree"/etc/resolv.conf "$tree"/etc/hostname
find "$tree/usr/share/doc" -type f ! -name copyright -delete
mkdir -p "$tree/work"
image=$out/belle-tools-$version-$architecture
rm -rf "$image" "$image.tar"
umoci init --layout "$image"
umoci new --image "$image:$version"
umoci insert --image "$image:$version" "$tree" / >/dev/null
umoci config --image "$image:$version" --architecture "$architecture" --os linux --config.entrypoint belle-tools \
  --config.workingdir /work --config.env LANG=C.UTF-8 \
  --config.label org.opencontainers.image.title=belle-tools \
  --config.label "org.opencontainers.image.version=$version" \
  --config.label org.opencontainers.image.licenses=Apache-2.0
umoci gc --layout "$image"
# The same as one file, as engines load it: podman load -i, docker load -i, ctr images import.
tar -C "$image" -cf "$image.tar" --sort=name --owner=0 --group=0 .
echo "$image.tar"
