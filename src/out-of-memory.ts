/**
 * What V8 throws where the bytes of a buffer are not to be had. Objects that are not end the process
 * at once; buffers lie outside V8's heap, and their failure is an exception that anybody may catch.
 */

/** V8's message; `Buffer` has a code of its own besides. `test/src/out-of-memory.test.ts` has both. */
const message = 'Array buffer allocation failed';
const code = 'ERR_MEMORY_ALLOCATION_FAILED';

/** Whether memory was wanted and not given: not the image's fault, nor the caller's, nor the device's. */
export function isOutOfMemory(error: unknown): boolean {
	if (!(error instanceof Error)) return false;
	return error.message === message || ('code' in error && error.code === code);
}
