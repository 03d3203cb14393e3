/** Attributes as an inode has them: those in itself, the block that it names, and what they lead to. */
import {inodeBaseSize, inodeFlags} from '../layout/inode.ts';
import {hashHeldEntry} from '../xattr/hash.ts';
import {
	type AttributeArea,
	checkAttributes,
	type HeldValue,
	hasAttributes,
	inlineValueSize,
} from './attributes.ts';
import {policies, policyIn} from './encryption-policy.ts';
import {fileType, type InodeContext, octal} from './inode-context.ts';

export class InodeAttributes {
	readonly #context: InodeContext;
	readonly #ranges: number[] = [];

	constructor(context: InodeContext) {
		this.#context = context;
	}

	/**
	 * What lies behind the first 128 bytes. The clusters that values of attributes take in inodes
	 * of their own, which count as the owner's.
	 */
	checkExtraSpace(): number {
		const {inode, state} = this.#context;
		if (inode.size === inodeBaseSize) return 0;
		const max = inode.size - inodeBaseSize;
		const extra = inode.extraSize;
		if (extra !== 0 && (extra < 4 || extra > max || extra % 4 !== 0)) {
			this.#context.tell('CHECK_INODE_EXTRA_SIZE', {found: extra, expected: max});
			return 0;
		}
		if (extra === 0 || extra >= max - 4) return 0;
		const headerAt = inode.at + inodeBaseSize + extra;
		if (!hasAttributes(inode.view, headerAt)) return 0;
		let clusters = 0;
		const problem = checkAttributes(this.#areaOf(headerAt), this.#ranges, value => {
			clusters += this.#keepValue(value);
		});
		if (problem !== undefined) {
			const {code, offset, ...values} = problem;
			state.report(code, {inode: inode.number, offset: offset - inode.at}, values);
		}
		return clusters;
	}

	/** Bytes of inline data: those in i_block and those in the attribute; -1 where there is none. */
	inlineSize(): number {
		const area = this.#areaInInode();
		if (area === undefined) return -1;
		const more = inlineValueSize(area);
		return more < 0 ? -1 : 60 + more;
	}

	/** For the look at all such blocks. `clusters`: of the inode, this block counted in. */
	keepBlock(block: number, clusters: number): void {
		const {inode, harvest} = this.#context;
		const {xattrBlocks} = harvest;
		xattrBlocks.push(block);
		xattrBlocks.push(inode.number);
		xattrBlocks.push(clusters);
		xattrBlocks.push(this.#context.storedBlocks());
		xattrBlocks.push(inode.flags);
		xattrBlocks.push(inode.generation);
		xattrBlocks.push(inode.uid);
		xattrBlocks.push(inode.gid);
		xattrBlocks.push(inode.projectId);
	}

	/** How an inode that is marked as encrypted says that it is. */
	keepPolicy(): void {
		const {inode, harvest} = this.#context;
		const area = this.#areaInInode();
		harvest.policies.push(inode.number);
		harvest.policies.push(area === undefined ? policies.none : policyIn(area));
	}

	/** An inode that is marked as holding the value of an attribute. */
	keepHolder(): void {
		const {inode, harvest} = this.#context;
		const {holders} = harvest;
		holders.push(inode.number);
		holders.push(inode.accessTime);
		holders.push(inode.changeTime);
		holders.push(inode.version);
		holders.push(inode.modificationTime);
		holders.push(inode.generation);
		holders.push(inode.sizeBytes);
		if (inode.type !== fileType.file) {
			this.#context.tell('CHECK_VALUE_INODE_MODE', {found: octal(inode.mode)});
		}
	}

	#areaOf(headerAt: number): AttributeArea {
		const {inode, hasInline} = this.#context;
		return {
			view: inode.view,
			entriesAt: headerAt + 4,
			valuesFrom: headerAt + 4,
			end: inode.at + inode.size,
			needsHash: false,
			// e2fsck reads the contents through all attributes, and takes none if one is not so.
			needsOffsets: hasInline && inode.has(inodeFlags.inlineData),
		};
	}

	/** Where its attributes begin in the inode; undefined where it has none there. */
	#areaInInode(): AttributeArea | undefined {
		const {inode} = this.#context;
		const extra = inode.extraSize;
		const headerAt = inode.at + inodeBaseSize + extra;
		if (extra === 0 || extra > inode.size - inodeBaseSize - 8 || extra % 4 !== 0) return undefined;
		return hasAttributes(inode.view, headerAt) ? this.#areaOf(headerAt) : undefined;
	}

	/** The clusters that the value takes in the inode that holds it. */
	#keepValue(value: HeldValue): number {
		const {inode, harvest, state} = this.#context;
		const {heldValues} = harvest;
		heldValues.push(inode.number);
		heldValues.push(inode.generation);
		heldValues.push(value.holder);
		heldValues.push(value.hash);
		heldValues.push(hashHeldEntry(value.name, 0));
		heldValues.push(hashHeldEntry(value.name, 0, true));
		heldValues.push(value.sizeBytes);
		heldValues.push(0);
		return Math.ceil(value.sizeBytes / state.geometry.clusterSize);
	}
}
