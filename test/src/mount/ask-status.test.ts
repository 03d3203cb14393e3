import test from 'ava';
import {answerOf} from '../../../src/mount/ask-status.ts';

for (const output of ['', '{', 'null', '[]', '{}', '{"ext4box":2}', '{"ext4box":1}']) {
	test(`the answer ${JSON.stringify(output)} is not understood`, t => {
		t.is(answerOf(0, output, '').kind, 'failed');
	});
}

test('an answer of this version is taken', t => {
	t.is(answerOf(0, '{"ext4box":1,"uptimeSeconds":1,"faultCount":0}', '').kind, 'answered');
});
