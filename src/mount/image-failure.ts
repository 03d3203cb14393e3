/** An image that can't be mounted, told as by the commands that look into one: with its name and a code. */
import {getSystemErrorName} from 'node:util';
import {ImageError, openFailure} from '../../images/index.ts';
import {CliError} from '../cli-error.ts';
import {describeFailure} from '../failure.ts';
import {type HelperFailure, withError} from './failures.ts';
import {describeHolder} from './image-in-use.ts';

/** `IMAGE: what is wrong [CODE]`. */
export function imageFailure(image: string, error: ImageError): CliError {
	return new CliError(`${image}: ${describeFailure(error)}`);
}

/** For the helper's failures `image`, with an errno, and `in-use`. */
export function explainImageFailure(failure: HelperFailure, image: string): CliError {
	if (failure.code === 'in-use') {
		return imageFailure(
			image,
			new ImageError('IMAGE_IN_USE', `it is in use: ${describeHolder(image)}`),
		);
	}
	return imageFailure(image, openFailure(getSystemErrorName(-failure.errno), withError(failure)));
}
