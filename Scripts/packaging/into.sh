#!/bin/sh
# Installs a package with its dependencies into a tree of Debian's, by the apt that is in it.
#
# usage: into.sh TREE PACKAGE
set -eu
tree=$1 package=$2
cp "$package" "$tree/tmp/belle-tools.deb"
# Nothing is started in there.
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod +x "$tree/usr/sbin/policy-rc.d"
run() { DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$tree" "$@" >"$tree/tmp/log" 2>&1 || {
  tail -n 20 "$tree/tmp/log" >&2
  exit 1
}; }
run apt-get update
run apt-get install -y --no-install-recommends /tmp/belle-tools.deb
rm -f "$tree/tmp/belle-tools.deb" "$tree/tmp/log" "$tree/usr/sbin/policy-rc.d"
