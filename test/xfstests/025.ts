import {chmodSync, chownSync, statSync, writeFileSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

const old = {seconds: 1000, nanoseconds: 1};
const users = {
	owner: {uid: 1000, gid: 1000},
	'one who may write': {uid: 1001, gid: 2000},
	'one who may read': {uid: 1002, gid: 1002},
};

export const test = xfstest({
	title: 'utimensat sets, leaves alone or takes the clock, each for whom it is meant',
	groups: ['auto', 'quick', 'metadata'],
	needs: ['root'],
	run(t) {
		const file = t.path('file');
		chmodSync(t.dir, 0o777);
		writeFileSync(file, '');
		chownSync(file, 1000, 2000);
		chmodSync(file, 0o664);
		const cases = {
			'both now': ['now', 'now'],
			'both given': [
				{seconds: 5, nanoseconds: 5},
				{seconds: 6, nanoseconds: 6},
			],
			'access omitted': ['omit', {seconds: 7, nanoseconds: 7}],
			'modification omitted': [{seconds: 8, nanoseconds: 8}, 'omit'],
			'both omitted': ['omit', 'omit'],
			'access now': ['now', 'omit'],
			'modification now': ['omit', 'now'],
			'one now, one given': ['now', {seconds: 9, nanoseconds: 9}],
		} as const;
		for (const [label, [access, modification]] of Object.entries(cases)) {
			for (const [who, user] of Object.entries(users)) {
				calls.setTimes(file, old, old);
				// The clock for times of files goes by ticks.
				t.run('sleep', ['0.03']);
				const before = statSync(file, {bigint: true});
				const start = BigInt(Date.now() - 1000) * 1_000_000n;
				const code = t.asUser(user, () =>
					t.codeOf(() => calls.setTimes(file, access, modification)),
				);
				const {atimeNs, mtimeNs, ctimeNs} = statSync(file, {bigint: true});
				const told = [atimeNs, mtimeNs].map(time => (time > start ? 'now' : time));
				const isChanged = ctimeNs !== before.ctimeNs;
				t.print(`${label}, ${who}: ${code ?? 'ok'}, ${told.join(' ')}, changed ${isChanged}`);
			}
		}
		chmodSync(file, 0o444);
		t.asUser(users.owner, () => {
			t.attempt('the owner of what nobody may write, now', () =>
				calls.setTimes(file, 'now', 'now'),
			);
			t.attempt('given', () => calls.setTimes(file, old, old));
		});
		t.remount('noatime');
		const {atimeNs, mtimeNs} = statSync(file, {bigint: true});
		t.print(`mounted again: ${atimeNs} ${mtimeNs}`);
	},
});
