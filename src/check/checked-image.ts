/** What was checked, and where it lies. */
export type CheckedImage = {
	readonly path: Uint8Array;
	readonly offsetBytes: number;
	readonly partition: number | undefined;
	/** Whether somebody may change it meanwhile: then nobody is told to repair it. */
	readonly isInUse: boolean;
};
