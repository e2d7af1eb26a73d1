#!/bin/sh
# Installs what is missing of tools/debian-packages.txt: install_packages.sh build run test
# Services that a package would start (docker.io, nginx) are not started: tests and benchmarks start private ones themselves.
set -eu
list="$(dirname "$0")/debian-packages.txt"
missing=""
for purpose in "$@"; do
  for package in $(awk -v purpose="$purpose" '$1 !~ /^#/ && $2 == purpose {print $1}' "$list"); do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
  done
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
  echo "missing packages:$missing" >&2
  echo "install them as root on Debian 12: apt-get install$missing" >&2
  exit 1
fi
echo "installing:$missing"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT INT TERM
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
fi
apt-get update -q
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
