import {
	chmodSync,
	chownSync,
	closeSync,
	mkdirSync,
	openSync,
	statSync,
	truncateSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

const owner = {uid: 1000, gid: 1000};
const member = {uid: 1001, gid: 1001, groups: [1000]};
const other = {uid: 1002, gid: 1002};

export const test = xfstest({
	title: 'Set-id bits go when another changes a file, and the group of a directory is handed down',
	groups: ['auto', 'quick', 'metadata'],
	needs: ['root'],
	run(t) {
		const mode = (name: string) => (statSync(t.path(name)).mode & 0o7777).toString(8);
		chmodSync(t.dir, 0o777);
		writeFileSync(t.path('source'), 'text');
		const fresh = (bits: number) => {
			writeFileSync(t.path('file'), 'contents');
			chownSync(t.path('file'), owner.uid, owner.gid);
			chmodSync(t.path('file'), bits);
		};
		const write = () => {
			const file = openSync(t.path('file'), 'r+');
			writeSync(file, 'x');
			closeSync(file);
		};
		const changes = {
			write,
			truncate: () => truncateSync(t.path('file'), 3),
			'open with O_TRUNC': () => writeFileSync(t.path('file'), ''),
			fallocate: () => {
				const file = openSync(t.path('file'), 'r+');
				calls.fallocate(file, 0, 0, 4096);
				closeSync(file);
			},
			copy_file_range: () => {
				const from = openSync(t.path('source'), 'r');
				const to = openSync(t.path('file'), 'r+');
				calls.copyFileRange(from, 0, to, 0, 4);
				closeSync(from);
				closeSync(to);
			},
		};
		for (const [label, change] of Object.entries(changes)) {
			// Without execution for the group, FUSE in the kernel keeps the bit that ext4 takes away.
			for (const bits of [0o6777, 0o2777, 0o4666]) {
				fresh(bits);
				t.asUser(other, change);
				t.print(`${label} by another: ${bits.toString(8)} becomes ${mode('file')}`);
				fresh(bits);
				change();
				t.print(`${label} by root: ${mode('file')}`);
			}
		}
		fresh(0o6755);
		chownSync(t.path('file'), owner.uid, 1005);
		t.print(`chown by root: ${mode('file')}`);
		fresh(0o6755);
		t.asUser({...owner, groups: [1005]}, () => chownSync(t.path('file'), owner.uid, 1005));
		t.print(`chown to another group of the owner's: ${mode('file')}`);
		fresh(0o755);
		const asOwner = {...owner, gid: 1007};
		t.asUser(asOwner, () => chmodSync(t.path('file'), 0o2755));
		t.print(`set-group-id for a group one is not in: ${mode('file')}`);
		t.asUser(member, () => t.attempt('chmod by a member', () => chmodSync(t.path('file'), 0o777)));
		t.asUser(owner, () => t.attempt('given away', () => chownSync(t.path('file'), 1002, 1000)));
		t.asUser(owner, () =>
			t.attempt('to a foreign group', () => chownSync(t.path('file'), 1000, 1002)),
		);
		t.asUser(owner, () => t.attempt('to oneself', () => chownSync(t.path('file'), 1000, 1000)));

		mkdirSync(t.path('shared'));
		chownSync(t.path('shared'), 0, 1000);
		chmodSync(t.path('shared'), 0o2777);
		t.asUser(other, () => {
			writeFileSync(t.path('shared/file'), '');
			mkdirSync(t.path('shared/folder'));
			const file = openSync(t.path('shared/set'), 'w', 0o2775);
			closeSync(file);
		});
		for (const name of ['shared/file', 'shared/folder', 'shared/set']) {
			const {uid, gid} = statSync(t.path(name));
			t.print(`${name}: ${mode(name)} of ${uid}, group ${gid}`);
		}
		t.remount();
		t.print(`mounted again: ${mode('shared/folder')} ${mode('shared')} ${mode('file')}`);
	},
});
