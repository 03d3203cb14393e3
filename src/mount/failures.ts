import {accessSync, constants, readFileSync, statSync} from 'node:fs';
import {getSystemErrorMap} from 'node:util';

/** What the helper reports: `failed CODE ERRNO TEXT`. */
export type HelperFailure = {readonly code: string; readonly errno: number; readonly text: string};

/** What of the machine a failure may come from. Looked at after the failure, never in advance. */
export type MachineFacts = {
	readonly device: 'ok' | 'missing' | 'forbidden';
	/** The switch that keeps ordinary users from making user namespaces, or null. */
	readonly namespaceSwitch: string | null;
	/** fusermount3 lacks its set-uid bit (as in images whose files were unpacked without modes). */
	readonly isFusermountPlain: boolean;
	readonly isRoot: boolean;
};

/** One message a person can act on: what failed, and what would mend it. */
export function explainFailure(
	failure: HelperFailure,
	facts: MachineFacts,
	mountpoint: string,
): string {
	switch (failure.code) {
		case 'no-fusermount3':
			return `fusermount3 is not installed: install the package fuse3, or use "ext4box run IMAGE -- COMMAND", which needs no program with privileges`;
		case 'fusermount3':
			return explainFusermount(failure, facts, mountpoint);
		case 'device':
			return explainDevice(facts) ?? withError(failure);
		case 'namespace':
			return explainNamespace(failure, facts);
		case 'mount':
			return explainMount(failure, facts);
		case 'mountpoint':
			return `mountpoint ${withError(failure)}`;
		case 'loop':
			return explainLoop(failure);
		case 'server':
			return `the server ended by ${failure.text} before it was ready`;
		default:
			return withError(failure);
	}
}

/** The helper's words, and the kernel's. */
export function withError({errno, text}: HelperFailure): string {
	const words =
		errno === 0 ? undefined : (getSystemErrorMap().get(-errno)?.[1] ?? `error ${errno}`);
	return words === undefined ? text : `${text}: ${words}`;
}

function explainDevice(facts: MachineFacts): string | null {
	switch (facts.device) {
		case 'missing':
			return '/dev/fuse is missing: as root, "modprobe fuse"; in a container, pass the device (docker run --device /dev/fuse)';
		case 'forbidden':
			return `/dev/fuse may not be opened by you: as root, "chmod 0666 /dev/fuse", as udev's rule does where udev runs`;
		case 'ok':
			return null;
	}
}

function explainFusermount(
	failure: HelperFailure,
	facts: MachineFacts,
	mountpoint: string,
): string {
	const device = explainDevice(facts);
	if (device !== null) {
		return device;
	}
	if (failure.text.includes('user_allow_other')) {
		return 'allow_other is not permitted here: an administrator permits it with the line "user_allow_other" in /etc/fuse.conf';
	}
	if (/no write access|not owned by user/.test(failure.text)) {
		return `mountpoint ${mountpoint} is not yours: fusermount3 mounts only on directories that you own or may write to`;
	}
	if (failure.text.includes('too many FUSE filesystems')) {
		return `${failure.text} (mount_max in /etc/fuse.conf)`;
	}
	if (facts.isFusermountPlain && /Operation not permitted|Permission denied/.test(failure.text)) {
		return 'fusermount3 lacks its set-uid bit: as root, "chmod u+s" it, or use "ext4box run IMAGE -- COMMAND"';
	}
	return failure.text;
}

function explainNamespace(failure: HelperFailure, facts: MachineFacts): string {
	if (facts.namespaceSwitch !== null) {
		return `user namespaces are not permitted to ordinary users on this machine: ${facts.namespaceSwitch}; an administrator can change it, or use "ext4box mount" with the package fuse3`;
	}
	return `${withError(failure)} (in a container, its seccomp profile may forbid it); "ext4box mount" with the package fuse3 needs no namespace`;
}

function explainLoop(failure: HelperFailure): string {
	const text = withError(failure);
	return text.includes('/dev/loop-control: No such')
		? `${text}: as root, "modprobe loop"; in a container, pass the device`
		: text;
}

function explainMount(failure: HelperFailure, facts: MachineFacts): string {
	const isDenied = failure.errno === 1 || failure.errno === 13; // EPERM, EACCES.
	if (isDenied && facts.namespaceSwitch !== null) {
		return explainNamespace(failure, facts);
	}
	if (isDenied && facts.isRoot) {
		return `${withError(failure)}: this root lacks CAP_SYS_ADMIN, as in a container; "ext4box run IMAGE -- COMMAND" may do`;
	}
	return withError(failure);
}

/** Looks at the machine, for explainFailure. */
export function readMachineFacts(): MachineFacts {
	return {
		device: lookAtDevice(),
		namespaceSwitch: findNamespaceSwitch(path => readSetting(path)),
		isFusermountPlain: isPlain('/usr/bin/fusermount3'),
		isRoot: process.geteuid?.() === 0,
	};
}

function lookAtDevice(): MachineFacts['device'] {
	try {
		accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
		return 'ok';
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'forbidden';
	}
}

function isPlain(path: string): boolean {
	try {
		return (statSync(path).mode & 0o4000) === 0;
	} catch {
		return false;
	}
}

function readSetting(path: string): string | null {
	try {
		return readFileSync(path, 'utf8').trim();
	} catch {
		return null; // Not every kernel has every switch.
	}
}

/** Names the first switch that stands against user namespaces; `read` gives a file's text or null. */
export function findNamespaceSwitch(read: (path: string) => string | null): string | null {
	if (read('/proc/sys/user/max_user_namespaces') === '0') {
		return 'sysctl user.max_user_namespaces is 0';
	}
	if (read('/proc/sys/kernel/unprivileged_userns_clone') === '0') {
		return 'sysctl kernel.unprivileged_userns_clone is 0';
	}
	if (read('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1') {
		return 'AppArmor restricts them (sysctl kernel.apparmor_restrict_unprivileged_userns is 1)';
	}
	return null;
}
