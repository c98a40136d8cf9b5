#!/usr/bin/env bash
# Installs the real servers and clients that are missing, and runs the interop suite against them. Everything listens on loopback, keeps
# its files in a temporary folder, and is stopped by its pid.
set -euo pipefail
cd "$(dirname "$0")/../.."

missing=()
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing+=("$2"); }
need postfix postfix
need dovecot dovecot-core
[ -e /usr/lib/dovecot/pop3 ] || missing+=(dovecot-pop3d)
[ -e /usr/lib/dovecot/imap ] || missing+=(dovecot-imapd)
[ -e /usr/lib/dovecot/lmtp ] || missing+=(dovecot-lmtpd)
need mbsync isync
need swaks swaks
need gsasl gsasl
need vsftpd vsftpd
need lftp lftp
need danted dante-server
need squid squid
need curl curl
need nginx nginx-light
need telnetd inetutils-telnetd
need telnet telnet
need ser2net ser2net
need socat socat
need gophernicus gophernicus
need python3 python3
need rsyslogd rsyslog
[ -e /usr/lib/$(uname -m)-linux-gnu/rsyslog/lmnsd_ossl.so ] || missing+=(rsyslog-openssl)
need logger bsdutils
need chromium chromium
/usr/bin/python3 -c "import dkim, nacl" 2>/dev/null || missing+=(python3-dkim python3-nacl)
perl -MNet::SSLeay -e1 2>/dev/null || missing+=(libnet-ssleay-perl)
if [ "${#missing[@]}" -gt 0 ]; then
  sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo"
  echo "installing: ${missing[*]}"
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" libsasl2-modules >/dev/null
fi
# ProFTPD cannot be installed beside vsftpd: it is unpacked into a folder, and only what it needs is installed.
if [ ! -x .cache/interop/proftpd/usr/sbin/proftpd ]; then
  sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo"
  echo 'unpacking: proftpd-core proftpd-mod-crypto'
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends libmemcached11 libmemcachedutil2 libhiredis0.14 libpcre2-posix3 openssl >/dev/null
  packages=$(mktemp -d)
  (cd "$packages" && apt-get download -qq proftpd-core proftpd-mod-crypto)
  mkdir -p .cache/interop/proftpd
  for package in "$packages"/*.deb; do dpkg -x "$package" .cache/interop/proftpd; done
  rm -rf "$packages"
fi
# Cyrus cannot be installed beside Dovecot: it is unpacked into a folder, and only what it needs is installed.
if [ ! -x .cache/interop/cyrus/usr/lib/cyrus/bin/master ]; then
  sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo"
  echo 'unpacking: cyrus-imapd cyrus-common'
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends libclamav12 libical3 libjansson4 libpcre3 libpq5 libxapian30 libzephyr4 libwrap0 libsasl2-modules sasl2-bin >/dev/null
  packages=$(mktemp -d)
  (cd "$packages" && apt-get download -qq cyrus-imapd cyrus-common)
  mkdir -p .cache/interop/cyrus
  for package in "$packages"/*.deb; do dpkg -x "$package" .cache/interop/cyrus; done
  rm -rf "$packages"
fi
# INN and leafnode would start at once when they are installed, and exclude each other: they are unpacked into folders.
if [ ! -x .cache/interop/inn/usr/lib/news/bin/nnrpd ] || [ ! -x .cache/interop/leafnode/usr/sbin/leafnode ]; then
  sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo"
  echo 'unpacking: inn2 inn2-inews leafnode'
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends libcanlock3 libperl5.36 libpython3.11 perl >/dev/null
  packages=$(mktemp -d)
  (cd "$packages" && apt-get download -qq inn2 inn2-inews leafnode)
  mkdir -p .cache/interop/inn .cache/interop/leafnode
  for package in "$packages"/inn2*.deb; do dpkg -x "$package" .cache/interop/inn; done
  dpkg -x "$packages"/leafnode*.deb .cache/interop/leafnode
  rm -rf "$packages"
fi
exec npx vitest run --config test/interop/vitest.config.ts "$@"
