/** File systems with features that a kernel may be built without. */
import type {ImageOptions, Place, TestContext} from '../api.ts';
import {CommandError} from '../runner/commands.ts';

/** As `t.another`; but where others than ext4box do not mount it, the test is not run. */
export function anotherIfKnown(t: TestContext, name: string, options: ImageOptions): Place {
	try {
		return t.another(name, options);
	} catch (error) {
		if (t.system === 'ext4box' || !(error instanceof CommandError)) throw error;
		t.full(error.message);
		return t.notRun(`it does not mount mke2fs ${options.mkfs?.join(' ')}`);
	}
}
