/** The subset of JSON Schema that our schemas use, and a check of values against it. */

export type Schema = {
	$ref?: string;
	anyOf?: Schema[];
	enum?: unknown[];
	minimum?: number;
	/** Of which at least one must be there: what JSON Schema says with `anyOf` and `required`. */
	anyRequired?: string[];
	type?: string;
	items?: Schema;
	required?: string[];
	properties?: {[name: string]: Schema};
	additionalProperties?: Schema | boolean;
	$defs?: {[name: string]: Schema};
};

function hasAny(value: unknown, names: readonly string[]): boolean {
	return (
		typeof value === 'object' && value !== null && names.some(name => Object.hasOwn(value, name))
	);
}

/** Checks a value against the subset of JSON Schema that our schemas use. */
export function violations(
	value: unknown,
	schema: Schema,
	defs: {[name: string]: Schema},
	at = '$',
): string[] {
	if (schema.$ref !== undefined) {
		const named = defs[schema.$ref.replace('#/$defs/', '')];
		return named === undefined ? [`${at}: no ${schema.$ref}`] : violations(value, named, defs, at);
	}
	if (schema.anyOf !== undefined) {
		const isAny = schema.anyOf.some(each => violations(value, each, defs, at).length === 0);
		return isAny ? [] : [`${at}: none of anyOf`];
	}
	if (schema.anyRequired !== undefined && !hasAny(value, schema.anyRequired)) {
		return [`${at}: none of ${schema.anyRequired.join(', ')}`];
	}
	if (schema.minimum !== undefined && Number(value) < schema.minimum) {
		return [`${at}: ${value} is less than ${schema.minimum}`];
	}
	if (schema.enum !== undefined) return schema.enum.includes(value) ? [] : [`${at}: ${value}`];
	const type = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
	const isType =
		schema.type === undefined ||
		schema.type === type ||
		(schema.type === 'integer' && Number.isSafeInteger(value));
	if (!isType) return [`${at}: ${type} instead of ${schema.type}`];
	if (Array.isArray(value)) {
		return value.flatMap((each, index) =>
			schema.items === undefined ? [] : violations(each, schema.items, defs, `${at}[${index}]`),
		);
	}
	if (type !== 'object') return [];
	const entries = Object.entries(value as object);
	const missing = (schema.required ?? []).filter(name => !entries.some(([key]) => key === name));
	return [
		...missing.map(name => `${at}: ${name} is missing`),
		...entries.flatMap(([name, each]) => {
			const inner = schema.properties?.[name] ?? schema.additionalProperties;
			if (inner === undefined || inner === true) return [];
			return inner === false
				? [`${at}: ${name} is not in the schema`]
				: violations(each, inner, defs, `${at}.${name}`);
		}),
	];
}
