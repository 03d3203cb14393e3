import type {ServerConfig} from '../../src/mount/server-config.ts';

/** Read-only, root's own, others may enter. */
export const defaultConfig: ServerConfig = {
	imageName: 'test.img',
	readOnly: true,
	noRecovery: false,
	startsReadOnly: false,
	errors: 'default',
	map: {kind: 'image'},
	mounterUid: 0,
	mounterGid: 0,
	allowOther: true,
	defaultPermissions: false,
	acl: true,
	fakeroot: false,
	direct: false,
	minixDf: false,
	noAtime: false,
	commitSeconds: 5,
	isSync: false,
	isDirSync: false,
	iomap: 'auto',
	debug: false,
};
