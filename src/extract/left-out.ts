/** What an extraction could not keep, counted: nothing is dropped in silence. */
import {countOf} from '../format.ts';

export class LeftOut {
	/** Character and block devices that were not made. */
	devices = 0;
	/** Files whose set-user-id or set-group-id bit was dropped. */
	setIdBits = 0;
	/** Names that became files of their own instead of links to one. */
	hardLinks = 0;
	/** Extended attributes, by the first part of their names. */
	readonly xattrs = new Map<string, number>();

	addXattr(name: string): void {
		const [namespace = ''] = name.split('.');
		this.xattrs.set(namespace, (this.xattrs.get(namespace) ?? 0) + 1);
	}

	get isNothing(): boolean {
		return this.devices + this.setIdBits + this.hardLinks + this.xattrs.size === 0;
	}

	toString(): string {
		const parts: string[] = [];
		const {devices, setIdBits, hardLinks} = this;
		if (devices > 0) parts.push(`${countOf(devices, 'device')} (root makes them with --owners)`);
		if (setIdBits > 0)
			parts.push(
				`the set-id bits of ${countOf(setIdBits, 'file')} (root keeps them with --owners)`,
			);
		if (hardLinks > 0) parts.push(`${countOf(hardLinks, 'hard link')} (copies instead)`);
		for (const [namespace, count] of this.xattrs) {
			parts.push(`${countOf(count, 'extended attribute')} of "${namespace}"`);
		}
		return parts.join(', ');
	}

	toJSON(): unknown {
		const {devices, setIdBits, hardLinks} = this;
		return {devices, setIdBits, hardLinks, xattrs: Object.fromEntries(this.xattrs)};
	}
}
