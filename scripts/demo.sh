#!/bin/sh
# The main job, start to end: makes a disk image, mounts it as an ordinary user, shows what is in
# it, takes a file out, unmounts. Run by `npm run demo`.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
ext4box=$root/bin/ext4box
PATH=$PATH:/usr/sbin:/sbin

if [ "$(id -u)" = 0 ] && [ -z "${EXT4BOX_DEMO_AS_ROOT:-}" ]; then
	# The point is that nobody needs to be root for this.
	if setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$ext4box" 2>/dev/null; then
		echo '(you are root: going on as the user nobody)'
		exec setpriv --reuid=65534 --regid=65534 --clear-groups sh "$0" "$@"
	fi
	echo '(you are root, and nobody else may read this folder: going on as root)'
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/ext4box-demo.XXXXXX")
image=$work/disk.img
mountpoint=$work/mnt
mounted=
cleanup() {
	[ -z "$mounted" ] || "$ext4box" umount "$mountpoint" || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

bold=
plain=
if [ -t 1 ]; then
	bold=$(printf '\033[1m')
	plain=$(printf '\033[0m')
fi
say() {
	printf '\n%s$ %s%s\n' "$bold" "$*" "$plain"
}

mkdir -p "$mountpoint" "$work/tree/letters"
echo 'Hello from inside the image.' >"$work/tree/hello.txt"
seq 1 2000 >"$work/tree/letters/numbers"
ln -s ../hello.txt "$work/tree/letters/link"
say "mke2fs -t ext4 -d tree disk.img 16M"
truncate -s 16M "$image"
mke2fs -q -F -t ext4 -L demo -d "$work/tree" "$image"

say "ext4box info disk.img"
"$ext4box" info "$image" | head -n 12

if command -v fusermount3 >/dev/null 2>&1 || [ "$(id -u)" = 0 ]; then
	say "ext4box mount disk.img mnt"
	"$ext4box" mount "$image" "$mountpoint" -o ro
	mounted=yes
	say "ls -lR mnt"
	ls -lR "$mountpoint"
	say "cat mnt/hello.txt"
	cat "$mountpoint/hello.txt"
	say "ext4box umount mnt"
	"$ext4box" umount "$mountpoint"
	mounted=
else
	echo '(fusermount3 is not installed: mounting in a namespace of our own instead)'
fi

say "ext4box run disk.img -- ls -l"
"$ext4box" run "$image" -- ls -l

say "ext4box cat disk.img /letters/numbers | tail -n 1"
"$ext4box" cat "$image" /letters/numbers | tail -n 1
