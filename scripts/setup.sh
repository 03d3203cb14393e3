#!/bin/sh
# Makes this machine ready to build, run and test ext4box: Debian or Ubuntu packages, /dev/fuse.
# Safe to run again. As an ordinary user it installs nothing and says what is missing.
set -eu

# command:package, for running (the first line) and for testing and measuring.
needed='gcc:gcc make:make fusermount3:fuse3
mke2fs:e2fsprogs debugfs:e2fsprogs setfattr:attr setfacl:acl fio:fio fuse2fs:fuse2fs
sfdisk:fdisk strace:strace unshare:util-linux'

PATH=$PATH:/usr/sbin:/sbin
missing=
for pair in $needed; do
	command -v "${pair%%:*}" >/dev/null 2>&1 && continue
	package=${pair#*:}
	case " $missing " in *" $package "*) ;; *) missing="$missing $package" ;; esac
done
missing=${missing# }
[ -n "$missing" ] || echo 'setup: all packages are here' >&2

if [ -n "$missing" ]; then
	if [ "$(id -u)" != 0 ]; then
		echo "setup: missing: $missing" >&2
		echo "setup: as root: apt-get install $missing" >&2
		# Without a compiler nothing can be built; all else only narrows what can be done.
		case " $missing " in *' gcc '* | *' make '*) exit 1 ;; esac
	elif command -v apt-get >/dev/null 2>&1; then
		echo "setup: installing $missing" >&2
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq
		# shellcheck disable=SC2086 # a list of package names
		apt-get install -y -qq --no-install-recommends $missing >/dev/null
	else
		echo "setup: install with your package manager: $missing" >&2
		exit 1
	fi
fi

if [ "$(id -u)" = 0 ] && [ -e /dev/fuse ] && [ "$(stat -c %a /dev/fuse)" != 666 ]; then
	# What udev's rule does where udev runs; any user may open it, mounting is checked elsewhere.
	chmod 0666 /dev/fuse
fi
if [ ! -e /dev/fuse ]; then
	echo 'setup: /dev/fuse is missing: mounting needs it (modprobe fuse); all else works' >&2
elif [ ! -r /dev/fuse ] || [ ! -w /dev/fuse ]; then
	echo 'setup: /dev/fuse is not open to you: as root, chmod 0666 /dev/fuse' >&2
fi
