/** Errors → errno numbers of Linux, in one switch. Nothing else turns one into the other. */
import {
	BudgetError,
	CorruptError,
	DeviceError,
	FileError,
	UnsupportedError,
} from '../ext4/errors.ts';

/** Node's own list lacks EUCLEAN and ENOKEY; these numbers are the same on x86-64 and arm64. */
export const errno = {
	EPERM: 1,
	ENOENT: 2,
	EINTR: 4,
	EIO: 5,
	ENXIO: 6,
	E2BIG: 7,
	EAGAIN: 11,
	ENOMEM: 12,
	EACCES: 13,
	EBUSY: 16,
	EEXIST: 17,
	EXDEV: 18,
	ENODEV: 19,
	ENOTDIR: 20,
	EISDIR: 21,
	EINVAL: 22,
	ENOTTY: 25,
	ETXTBSY: 26,
	EFBIG: 27,
	ENOSPC: 28,
	EROFS: 30,
	EMLINK: 31,
	ERANGE: 34,
	ENAMETOOLONG: 36,
	ENOSYS: 38,
	ENOTEMPTY: 39,
	ELOOP: 40,
	ENODATA: 61,
	EPROTO: 71,
	EOVERFLOW: 75,
	EOPNOTSUPP: 95,
	ECONNABORTED: 103,
	ETIMEDOUT: 110,
	ESTALE: 116,
	EUCLEAN: 117,
	EDQUOT: 122,
	ENOKEY: 126,
} as const;

const names = new Map<number, string>(Object.entries(errno).map(([name, value]) => [value, name]));

/** `ENOENT` for 2; `errno 512` for what has no name here. */
export function errnoName(value: number): string {
	return names.get(value) ?? `errno ${value}`;
}

/**
 * The errno of an error that a request ran into. What is neither the image's fault, nor the
 * device's, nor the caller's is a fault of this program: EIO.
 */
export function errnoOf(error: unknown): number {
	switch (true) {
		case error instanceof FileError:
			return errno[error.code];
		case error instanceof CorruptError:
			return errno.EUCLEAN;
		case error instanceof UnsupportedError:
			return errno.EOPNOTSUPP;
		case error instanceof DeviceError:
		case error instanceof BudgetError:
			return errno.EIO;
		default:
			return errno.EIO;
	}
}
