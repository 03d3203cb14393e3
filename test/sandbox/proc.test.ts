/**
 * What the kernel says, in /proc, of real servers behind real mounts. Read as root, for a server's
 * entries are closed even to the user that it runs as.
 */
import {chownSync, copyFileSync, readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {exposedFiles} from '../../src/mount/exposed-files.ts';
import type {SandboxState} from '../../src/sandbox/levels.ts';
import {makeImage} from '../support/made-image.ts';
import {
	buildTools,
	ordinaryUser,
	Playground,
	readProc,
	root as rootUser,
	type User,
	until,
	whyNoFusermount3,
	whyNoRoot,
} from '../support/mounting.ts';
import {serialTestUnless} from '../support/skip.ts';

const packageRoot = join(import.meta.dirname, '../..');
