#!/bin/sh
# What `make install` does, once all is built. The places are the Makefile's; DESTDIR stands before
# every one of them, and in none of what is written into files.
set -eu

destdir=$1 libdir=$2 libexecdir=$3 bindir=$4 sysconfdir=$5 sbindir=$6 node=$7 modules=$8 architecture=$9 udevdir=${10}

fail() {
	echo "install: $1" >&2
	exit 1
}

[ -f ../dist/src/server-main.js ] || fail 'the program is not built: run "npm run build" first'
[ -x "$node" ] || fail "no Node in $node: run \"npm ci\" first, or give NODE=/path/to/node"
umask 022
# Which directories are ours alone, for uninstall.sh; an earlier installation has made the others.
made=$(cat "$destdir$libdir/directories" 2>/dev/null || :)
if [ -n "$destdir" ]; then
	mkdir -p "$destdir"
fi

make_directory() {
	if [ ! -d "$destdir$1" ]; then
		make_directory "$(dirname "$1")"
		mkdir "$destdir$1"
		made="$made
$1"
	fi
}

for directory in "${libdir%/*}" "$libexecdir" "$bindir" "$sysconfdir" "$sbindir" "$udevdir"; do
	make_directory "$directory"
done

# Beside the old one first, so that nothing that runs finds half a program.
new=$destdir$libdir.new
rm -rf "$new"
mkdir -p "$new/bin" "$new/mount-helper/build" "$new/node_modules/@koromix"
cp "$node" "$new/node"
cp ../package.json ../LICENSE "$new/"
cp ../bin/ext4box ../bin/mount.fuse.ext4box ../bin/umount.fuse.ext4box "$new/bin/"
# For "ext4box run", and where the policy says no: a helper without privileges.
cp build/mount-helper "$new/mount-helper/build/"
(cd .. && find dist/src -type f) | while read -r file; do
	mkdir -p "$new/${file%/*}"
	cp "../$file" "$new/$file"
done
for module in koffi "@koromix/koffi-linux-$architecture"; do
	cp -R "$modules/$module" "$new/node_modules/$module"
done
printf '%s\n' "$made" >"$new/directories"
# The launcher takes the privileged helper from here, and nowhere else.
printf '{"helper": "%s/mount-helper"}\n' "$libexecdir" >"$new/installed.json"
if [ "$(id -u)" = 0 ]; then
	chown -R 0:0 "$new"
fi
chmod -R u=rwX,go=rX "$new"
rm -rf "$destdir$libdir"
mv "$new" "$destdir$libdir"

helper=$destdir$libexecdir/mount-helper
cp build/mount-helper-privileged "$helper.new"
if [ "$(id -u)" = 0 ]; then
	chown 0:0 "$helper.new"
fi
chmod 4755 "$helper.new"
mv -f "$helper.new" "$helper"

# Keeps udev's probing and udisks off the loop devices of mounts.
cp build/is-own-loop "$destdir$libexecdir/is-own-loop"
chmod 755 "$destdir$libexecdir/is-own-loop"
sed "s|@LIBEXECDIR@|$libexecdir|" udev/59-ext4box.rules.in >"$destdir$udevdir/59-ext4box.rules"
chmod 644 "$destdir$udevdir/59-ext4box.rules"

ln -sfn "$libdir/bin/ext4box" "$destdir$bindir/ext4box"
ln -sfn "$libdir/bin/mount.fuse.ext4box" "$destdir$sbindir/mount.fuse.ext4box"
ln -sfn "$libdir/bin/umount.fuse.ext4box" "$destdir$sbindir/umount.fuse.ext4box"
[ -e "$destdir$sbindir/umount.fuse" ] || [ -L "$destdir$sbindir/umount.fuse" ] ||
	ln -s "$libdir/bin/umount.fuse.ext4box" "$destdir$sbindir/umount.fuse"

if [ ! -e "$destdir$sysconfdir/ext4box.conf" ]; then
	cp ext4box.conf "$destdir$sysconfdir/ext4box.conf"
	chmod 644 "$destdir$sysconfdir/ext4box.conf"
fi
