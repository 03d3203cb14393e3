/** Files whose extent trees have levels between root and leaves. */
import test from 'ava';
import {extentTreeDepth} from '../../ext4/mapping/index.ts';
import {allocateModes, allocateRange} from '../../iomap/allocate.ts';
import {Mapper} from '../../iomap/mapper.ts';
import {writeFile} from '../../iomap/write.ts';
import {firstFile, mappingFeatures, openWithFiles} from '../support/file-volume.ts';

const features = mappingFeatures[0];

test('a node that zeroing a range adds to a deep tree is counted on the disk', t => {
	if (features === undefined) return t.fail();
	const made = openWithFiles(features);
	const {volume} = made;
	const mapper = new Mapper(volume);
	// Every leaf but the last is filled to its end, so that cutting any extent splits one.
	for (let block = 0; block < 3600; block += 9) {
		writeFile(mapper, firstFile, block * 1024, new Uint8Array(3 * 1024).fill(1));
	}
	t.is(extentTreeDepth(volume, volume.readInode(firstFile)), 2);
	const before = volume.readInode(firstFile).sectors;
	allocateRange(mapper, firstFile, 901 * 1024, 1024, allocateModes.zeroRange);
	t.is(volume.readInode(firstFile).sectors, before + 2);
	t.is(made.findProblems(), undefined);
});
