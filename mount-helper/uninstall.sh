#!/bin/sh
# What `make uninstall` does: install.sh undone, but for the policy, which is the administrator's.
set -eu

destdir=$1 libdir=$2 libexecdir=$3 bindir=$4 sbindir=$5 udevdir=$6 rundir=$7

made=$(cat "$destdir$libdir/directories" 2>/dev/null || :)
rm -rf "$destdir$libdir" "$destdir$libexecdir"
rm -f "$destdir$bindir/ext4box" "$destdir$sbindir/umount.fuse.ext4box" \
	"$destdir$sbindir/mount.fuse.ext4box" "$destdir$udevdir/59-ext4box.rules"
if [ "$(readlink "$destdir$sbindir/umount.fuse")" = "$libdir/bin/umount.fuse.ext4box" ]; then
	rm -f "$destdir$sbindir/umount.fuse"
fi
# The helper that is gone was the only one to open it. Mounts that are still there keep theirs.
rm -f "$destdir$rundir/ext4box.lock"

# The innermost first; what others have put anything into stays.
while [ -n "$made" ]; do
	directory=${made##*"
"}
	if [ -n "$directory" ] && [ -d "$destdir$directory" ]; then
		[ -n "$(ls -A "$destdir$directory")" ] || rmdir "$destdir$directory"
	fi
	[ "$made" != "$directory" ] || break
	made=${made%"
$directory"}
done
