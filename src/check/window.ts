/** The same image in another thread. */
import {RawDevice, Window} from '../../images/index.ts';
import type {DeviceWindow} from './messages.ts';

/** Leaves the descriptor open: it is the main thread's. */
export function openWindow({descriptor, imageBytes, startBytes, sizeBytes}: DeviceWindow): Window {
	const raw = new RawDevice(descriptor, {sizeBytes: imageBytes, closesDescriptor: false});
	return new Window(raw, startBytes, sizeBytes);
}
