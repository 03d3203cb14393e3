/** Numbers that nobody can foretell, drawn many at a time: one call to the system is dear. */
const pool = new Uint32Array(256);
let left = 0;

export function randomUint32(): number {
	if (left === 0) {
		crypto.getRandomValues(pool);
		left = pool.length;
	}
	return pool[--left] ?? 0;
}
