/** Handlers whose every request has a budget. docs/decisions/budgets.md has the figures. */
import type {BudgetLimits, Volume} from '../../ext4/index.ts';
import type {Handler, Handlers} from '../fuse/connection.ts';

/** Twenty times and more what the largest request of a sound image was seen to cost. */
export const requestLimits: BudgetLimits = {
	accesses: 2 ** 22,
	readBytes: 2 ** 28,
	cpuMilliseconds: 10_000,
	milliseconds: 60_000,
};

/** `destroy` is left out: it brings everything home, as the end of a mount does. */
export function limitedHandlers(volume: Volume, handlers: Handlers): Handlers {
	const {budget} = volume.cache;
	const limited: {[name: string]: unknown} = {...handlers};
	for (const [name, handler] of Object.entries(handlers)) {
		if (name === 'destroy' || name === 'negotiated' || name === 'forget') continue;
		limited[name] = limitedHandler(handler as Handler); // What is left are all of that type.
	}
	const {forget} = handlers;
	if (forget === undefined) return limited as Handlers;
	return {
		...(limited as Handlers),
		forget(nodeId, count) {
			budget.begin();
			try {
				forget(nodeId, count);
			} finally {
				budget.end();
			}
		},
	};

	function limitedHandler(handler: Handler): Handler {
		return (request, reply) => {
			budget.begin();
			try {
				return handler(request, reply);
			} finally {
				budget.end();
			}
		};
	}
}
