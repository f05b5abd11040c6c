#!/bin/sh
# A Debian package of a built binary, for the Debian that this runs on. Runs without root.
#
# usage: deb.sh BINARY FOLDER
#   DEBFULLNAME, DEBEMAIL  who makes it
#   SHARE   where its completions and manual pages are; by default where make puts them
set -eu
binary=$1 out=$2
here=$(dirname "$0")
for tool in dpkg-deb dpkg-shlibdeps; do
  command -v "$tool" >/dev/null || {
    echo "error: $tool is not here" >&2
    echo "hint: apt-get install dpkg-dev" >&2
    exit 1
  }
done
version=$("$binary" --version | sed -n '1s/^belle-tools \([^ ]*\).*/\1/p')
architecture=$(dpkg --print-architecture)
maintainer="${DEBFULLNAME:-The belle-tools authors} <${DEBEMAIL:-belle-tools@localhost.localdomain}>"
mkdir -p "$out"
root=$(cd "$out" && pwd)/root
rm -rf "$root"
${MAKE:-make} --no-print-directory install BINARY="$binary" ${SHARE:+"SHARE=$SHARE"} DESTDIR="$root" PREFIX=/usr >/dev/null
doc=$root/usr/share/doc/belle-tools
# Debian's own zsh looks in another folder than one in /usr/local.
mv "$root/usr/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions"
mkdir -p "$doc" "$root/DEBIAN" "$root/usr/share/lintian/overrides"
# It is read, not run.
sed -i '1{/^#!/d}' "$root/usr/share/bash-completion/completions/belle-tools"
gzip -9n "$root"/usr/share/man/man1/*.1
cp "$here/copyright" "$doc/copyright"
date=$(date -u -R -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}")
gzip -9n >"$doc/changelog.gz" <<END
belle-tools ($version) unstable; urgency=low

  * See CHANGELOG.md in the source for what changed.

 -- $maintainer  $date
END
cp "$here/lintian-overrides" "$root/usr/share/lintian/overrides/belle-tools"

# What the binary is linked to, by its symbols; what it looks for when it runs cannot be seen in it.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debian"
printf 'Source: belle-tools\n\nPackage: belle-tools\nArchitecture: any\n' >"$work/debian/control"
linked=$(cd "$work" && dpkg-shlibdeps -O -e"$root/usr/bin/belle-tools" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
[ -n "$linked" ] || {
  echo "error: dpkg-shlibdeps found no dependencies" >&2
  exit 1
}
# The sources of what is linked into it.
built_using=
for package in libssl-dev zlib1g-dev; do
  # shellcheck disable=SC2016  # dpkg-query's own variables
  source=$(dpkg-query -W -f '${source:Package} (= ${source:Version})' "$package" 2>/dev/null) || continue
  built_using="$built_using${built_using:+, }$source"
done
size=$(du -k -s --exclude=DEBIAN "$root" | cut -f1)
cat >"$root/DEBIAN/control" <<END
Package: belle-tools
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $size
Depends: $linked, libopenblas0, libsentencepiece0
Suggests: libdnnl2, openmpi-bin
${built_using:+Static-Built-Using: $built_using
}Section: science
Priority: optional
Description: recover, verify, convert and quantize the weights of language models
 Takes released BELLE diffs (.enc files) and LLaMA's original weights to a
 verified, quantized, running model, without Python.
 .
 Reads and writes PyTorch checkpoints, safetensors, GGUF and GPTQ folders,
 verifies them against published digests, never runs what is in a pickle,
 merges LoRA adapters, and quantizes to 2, 3, 4 or 8 bits a weight on the CPU.
END
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
chmod -R u+rwX,go+rX,go-w "$root"
find "$root" -print0 | xargs -0 touch -h -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}"
package=$out/belle-tools_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz -z3 --build "$root" "$package" >/dev/null
rm -rf "$root"
echo "$package"
