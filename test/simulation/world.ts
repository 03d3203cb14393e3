/** The model and the file system side by side: each operation is done to both, and must agree. */
import {FileError, inodeFlags} from '../../ext4/index.ts';
import type {Subject, SubjectPlace} from '../support/subject.ts';
import {dataOf} from './data.ts';
import {type FeatureSet, imageOf} from './features.ts';
import {Mismatch} from './mismatch.ts';
import {Model, makeNode, type Node, type Place, Refused, type Time} from './model.ts';

/** A time in whose neighbourhood nothing special is. */
const firstSecond = 1_750_000_000;

/** An operation may fail for want of space where less than this is free, in blocks and inodes. */
const scarce = {blocks: 900, inodes: 3};

/** What is held against the model: the library itself, or something before it. */
export type SubjectMaker = (image: Uint8Array) => Subject;

export class World {
	readonly features: FeatureSet;
	readonly subject: Subject;
	readonly model: Model;
	/** What was done last, for the report of a failure. */
	readonly story: string[] = [];
	#ticks = 0;

	constructor(features: FeatureSet, makeSubject: SubjectMaker) {
		this.features = features;
		this.subject = makeSubject(imageOf(features));
		const {volume} = this.subject;
		const root = volume.readInode(2);
		const {inodeSize, blockSize} = volume.geometry;
		const hasNanoseconds = inodeSize > 128;
		const node = makeNode('directory', {
			number: 2,
			mode: root.mode & 0o7777,
			uid: root.uid,
			gid: root.gid,
			accessTime: root.accessTime,
			modificationTime: root.modificationTime,
			changeTime: root.changeTime,
		});
		this.model = new Model({
			root: node,
			hasProjects: volume.features.has('project'),
			targetMax: Math.min(blockSize, 4096) - 1,
			roundTime: ({seconds, nanoseconds}: Time) => ({
				seconds,
				nanoseconds: hasNanoseconds ? nanoseconds : 0,
			}),
		});
		this.tick();
		this.#removeLostAndFound();
		if (features.isCasefolded === true) this.#fold(node);
	}

	/** The root is empty: only then can it begin to fold names. */
	#removeLostAndFound(): void {
		this.subject.rmdir({parent: 2, name: 'lost+found'});
		this.model.touch(this.model.root);
	}

	#fold(node: Node): void {
		node.flags |= inodeFlags.casefold;
		node.changeTime = this.model.now;
		this.subject.setFlags(2, this.subject.flags(2) | inodeFlags.casefold);
	}

	/** Every operation has a time of its own. */
	tick(): void {
		this.#ticks++;
		const now = {seconds: firstSecond + this.#ticks, nanoseconds: (this.#ticks * 7919) % 1e9};
		this.model.now = this.subject.now = now;
	}

	tell(what: string): void {
		this.story.push(what);
	}

	/** The place as the file system has it. */
	placeOf({parent, name}: Place): SubjectPlace {
		return {parent: parent.number, name};
	}

	/**
	 * Does one operation to both. Returns whether it was done; where it was not, both have refused it
	 * for the same reason, or the file system is full.
	 */
	both(subject: () => void, model: () => void, mayBeFull = false): boolean {
		const actual = this.#attempt(subject);
		if (actual === 'ENOSPC' && (mayBeFull || this.isScarce)) {
			this.tell('  ENOSPC');
			return false;
		}
		const expected = this.#attempt(model);
		if (actual !== expected) throw new Mismatch(`${actual} where ${expected} is right`);
		if (actual !== 'done') this.tell(`  ${actual}`);
		return actual === 'done';
	}

	get hasProjects(): boolean {
		return this.subject.volume.features.has('project');
	}

	get isScarce(): boolean {
		const {superblock} = this.subject.volume;
		const blocks = superblock.freeBlockCount - superblock.reservedBlockCount;
		return blocks < scarce.blocks || superblock.freeInodeCount < scarce.inodes;
	}

	/** The file is as the file system says: after an operation that was done in part. */
	adopt(node: Node): void {
		const {subject} = this;
		const inode = subject.inode(node.number);
		const {sizeBytes, modificationTime, changeTime} = inode;
		node.contents.resize(0);
		node.contents.resize(sizeBytes);
		for (const {from, to} of dataOf(subject.mapper, inode)) {
			node.contents.write(from, subject.read(node.number, from, to - from));
		}
		Object.assign(node, {modificationTime, changeTime});
	}

	#attempt(action: () => void): string {
		try {
			action();
			return 'done';
		} catch (error) {
			if (error instanceof Refused || error instanceof FileError) return error.code;
			throw error;
		}
	}
}
