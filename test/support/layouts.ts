/** Layouts of file systems that an allocator must be right about; options of mke2fs. */
export type Layout = {
	readonly name: string;
	readonly options: readonly string[];
	readonly size: string;
};

const features = (list: string, ...more: string[]) => ['-O', list, ...more];

export const layouts: readonly Layout[] = [
	{name: 'ext4', options: ['-t', 'ext4', '-b', '1024', '-g', '2048'], size: '12M'},
	{name: 'ext4, 4 KiB', options: ['-t', 'ext4', '-b', '4096'], size: '40M'},
	{name: 'ext4, 64 KiB', options: ['-t', 'ext4', '-b', '65536'], size: '40M'},
	{name: 'ext2', options: ['-t', 'ext2', '-b', '1024', '-g', '2048'], size: '9M'},
	{name: 'ext3', options: ['-t', 'ext3', '-b', '1024', '-g', '4096'], size: '12M'},
	{
		name: 'revision 0',
		options: ['-t', 'ext2', '-r', '0', '-b', '1024', '-g', '2048'],
		size: '9M',
	},
	{
		name: 'uninit_bg',
		options: ['-t', 'ext4', '-b', '1024', '-g', '2048', ...features('^metadata_csum,uninit_bg')],
		size: '12M',
	},
	{
		name: 'no group checksums',
		options: ['-t', 'ext4', '-b', '1024', '-g', '2048', ...features('^metadata_csum,^uninit_bg')],
		size: '12M',
	},
	{
		name: '32-bit descriptors',
		options: ['-t', 'ext4', '-b', '1024', '-g', '2048', ...features('^64bit')],
		size: '12M',
	},
	{
		name: 'no flex_bg',
		options: ['-t', 'ext4', '-b', '1024', '-g', '2048', ...features('^flex_bg,^resize_inode')],
		size: '12M',
	},
	{
		name: 'flex_bg of 4',
		options: ['-t', 'ext4', '-b', '1024', '-g', '1024', '-G', '4'],
		size: '12M',
	},
	{
		name: 'packed metadata',
		options: ['-t', 'ext4', '-b', '1024', '-g', '2048', '-E', 'packed_meta_blocks=1'],
		size: '12M',
	},
	{
		name: 'meta_bg',
		options: ['-t', 'ext4', '-b', '1024', '-g', '256', ...features('meta_bg,^resize_inode')],
		size: '12M',
	},
	{
		name: 'meta_bg, no flex_bg',
		options: [
			...['-t', 'ext4', '-b', '1024', '-g', '256', '-N', '512'],
			...features('meta_bg,^resize_inode,^flex_bg'),
		],
		size: '12M',
	},
	{
		name: 'sparse_super2',
		options: ['-t', 'ext4', '-b', '1024', '-g', '2048', ...features('sparse_super2')],
		size: '12M',
	},
	{
		name: 'no sparse_super',
		options: ['-t', 'ext4', '-b', '1024', '-g', '2048', ...features('^sparse_super,^resize_inode')],
		size: '12M',
	},
	{
		name: 'bigalloc',
		options: ['-t', 'ext4', '-b', '1024', '-C', '8192', ...features('bigalloc')],
		size: '80M',
	},
	{
		name: 'bigalloc, 4 KiB',
		options: ['-t', 'ext4', '-b', '4096', '-C', '65536', '-g', '32768', ...features('bigalloc')],
		size: '140M',
	},
	{
		name: 'a short last group',
		options: ['-t', 'ext4', '-b', '1024', '-g', '2048'],
		size: '10500K',
	},
	{
		name: 'no journal',
		options: ['-t', 'ext4', '-b', '1024', ...features('^has_journal')],
		size: '20M',
	},
];
