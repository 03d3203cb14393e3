/** The file systems that random work is done on. */
export type ImageKind = {
	readonly name: string;
	readonly options: readonly string[];
	readonly size: string;
};

export const imageKinds: readonly ImageKind[] = [
	{name: 'blocks of 1 KiB', options: ['-t', 'ext4', '-b', '1024'], size: '12M'},
	{name: 'blocks of 4 KiB', options: ['-t', 'ext4', '-b', '4096'], size: '24M'},
	{
		name: 'clusters',
		options: ['-t', 'ext4', '-b', '1024', '-O', 'bigalloc', '-C', '8192'],
		size: '24M',
	},
	{name: 'no journal', options: ['-t', 'ext4', '-b', '2048', '-O', '^has_journal'], size: '12M'},
	{
		name: 'a small disk',
		options: ['-t', 'ext4', '-b', '1024', '-m', '0', '-J', 'size=1'],
		size: '3M',
	},
];
