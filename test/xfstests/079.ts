/** fio's own verification: what it wrote asynchronously and directly it reads back by checksums. */
import {xfstest} from './api.ts';

export const test = xfstest({
	title:
		'Fio finds by its checksums what it has written by several jobs with direct asynchronous I/O',
	groups: ['auto', 'stress', 'aio', 'rw'],
	needs: ['program fio', 'direct'],
	image: {size: '96M'},
	run(t) {
		const common = [
			'--directory=.',
			'--ioengine=libaio',
			'--direct=1',
			'--size=6M',
			'--iodepth=8',
			'--randseed=79',
			'--verify=crc32c',
			'--verify_fatal=1',
			'--do_verify=1',
			'--group_reporting',
		];
		t.run('fio', [...common, '--name=random', '--rw=randwrite', '--bs=4k', '--numjobs=2']);
		t.print('4 KiB at random: verified');
		t.run('fio', [...common, '--name=large', '--rw=write', '--bs=64k', '--fallocate=none']);
		t.print('64 KiB in order: verified');
		t.run('fio', [...common, '--name=uneven', '--rw=randwrite', '--bsrange=4k-32k', '--fsync=40']);
		t.print('uneven, with fsync: verified');
	},
});
