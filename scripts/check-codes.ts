/** Writes the table of the checker's codes in docs/check.md anew: node scripts/check-codes.ts */
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {findingTable, isFindingCode} from '../ext4/check/codes.ts';

const path = join(import.meta.dirname, '../docs/check.md');
const from = '<!-- codes -->\n';
const to = '<!-- end of codes -->\n';

const rows = Object.keys(findingTable)
	.filter(isFindingCode)
	.sort()
	.map(code => {
		const {severity, sentence, e2fsck} = findingTable[code];
		const theirs = e2fsck.map(name => `\`${name}\``).join(' ');
		return `| \`${code}\` | ${severity} | ${sentence.replaceAll('|', '\\|')} | ${theirs} |\n`;
	});
const table = `| code | severity | sentence | e2fsck |\n| --- | --- | --- | --- |\n${rows.join('')}`;
const text = readFileSync(path, 'utf8');
const [before, after] = [text.indexOf(from) + from.length, text.indexOf(to)];
writeFileSync(path, `${text.slice(0, before)}${table}${text.slice(after)}`);
