/** Moving from one part of the map to another, unless the reader wants no motion. */
import type {MapView, Range} from './map-view.ts';

const durationMs = 180;

export class Motion {
	readonly #view: MapView;
	readonly #changed: () => void;
	#frame = 0;

	/** `changed` is called after each step. */
	constructor(view: MapView, changed: () => void) {
		this.#view = view;
		this.#changed = changed;
	}

	jump(to: Range): void {
		cancelAnimationFrame(this.#frame);
		this.#view.show(to);
		this.#changed();
	}

	glide(to: Range): void {
		if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
			this.jump(to);
			return;
		}
		cancelAnimationFrame(this.#frame);
		const {from, to: end} = this.#view.range;
		const start = performance.now();
		const step = (now: number) => {
			const part = Math.min(1, (now - start) / durationMs);
			const eased = 1 - (1 - part) ** 3;
			this.#view.show({
				from: from + (to.from - from) * eased,
				to: end + (to.to - end) * eased,
			});
			this.#changed();
			if (part < 1) this.#frame = requestAnimationFrame(step);
		};
		this.#frame = requestAnimationFrame(step);
	}
}
