#!/usr/bin/env bash
# Makes target/package/iotpipe, the static binary, and target/package/iotpipe_VERSION_ARCH.deb with it and the systemd units.
# IOTPIPE_BINARY names a binary that is built already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=${CARGO_TARGET_DIR:-target}/package
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
architecture=$(dpkg --print-architecture)

mkdir -p "$out"
if [ -n "${IOTPIPE_BINARY:-}" ]; then
    install -m 755 "$IOTPIPE_BINARY" "$out/iotpipe"
else
    scripts/static.sh "$out/iotpipe"
fi

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"
install -D -m 755 "$out/iotpipe" "$tree/usr/bin/iotpipe"
install -D -m 644 -t "$tree/usr/lib/systemd/system" contrib/systemd/iotpipe.service contrib/systemd/iotpipe-run.service \
    contrib/systemd/iotpipe-run.timer
install -D -m 644 contrib/systemd/sysusers.conf "$tree/usr/lib/sysusers.d/iotpipe.conf"
install -D -m 644 contrib/debian/iotpipe.toml "$tree/etc/iotpipe/iotpipe.toml"
install -D -m 644 LICENSE "$tree/usr/share/doc/iotpipe/copyright"
gzip -9n <CHANGELOG.md >"$tree/usr/share/doc/iotpipe/changelog.gz"
install -D -m 755 -t "$tree/DEBIAN" contrib/debian/postinst contrib/debian/prerm contrib/debian/postrm
echo /etc/iotpipe/iotpipe.toml >"$tree/DEBIAN/conffiles"
cat >"$tree/DEBIAN/control" <<END
Package: iotpipe
Version: $version
Architecture: $architecture
Maintainer: iotpipe <maintainers@iotpipe.invalid>
Installed-Size: $(du -sk --exclude DEBIAN "$tree" | cut -f 1)
Depends: passwd
Recommends: ca-certificates
Suggests: postgresql
Section: database
Priority: optional
Description: loads CSV files of sensor readings into a time-series schema
 Every line of every file ends in exactly one place, exactly once: a table of
 PostgreSQL or SQLite, or the quarantine, with the reason.
END
dpkg-deb --root-owner-group --build "$tree" "$out/iotpipe_${version}_$architecture.deb" >/dev/null
echo "$out/iotpipe_${version}_$architecture.deb"
