/**
 * What SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format", sections 3.13 to 3.58) lets the
 * objects have that we write: which properties there are, which must be there, what they may be. The
 * properties that we do not write are named, and not described.
 */
import type {Schema} from './json-schema.ts';

const text: Schema = {type: 'string'};
const whole = (minimum: number): Schema => ({type: 'integer', minimum});
const listOf = (name: string): Schema => ({type: 'array', items: {$ref: `#/$defs/${name}`}});
const one = (name: string): Schema => ({$ref: `#/$defs/${name}`});
const level: Schema = {enum: ['none', 'note', 'warning', 'error']};

/** An object with these properties, others that it may have by name, and no more. */
function object(
	required: string[],
	properties: {[name: string]: Schema},
	others: string,
	more: Schema = {},
): Schema {
	const rest = Object.fromEntries(others.split(' ').map(name => [name, {}]));
	const bag = {properties: {type: 'object'}};
	return {
		...more,
		type: 'object',
		required,
		properties: {...rest, ...properties, ...bag},
		additionalProperties: false,
	};
}

export const sarifSchema: Schema = {
	...object(
		['version', 'runs'],
		{$schema: text, version: {enum: ['2.1.0']}, runs: listOf('run')},
		'inlineExternalProperties',
	),
	$defs: {
		run: object(
			['tool'],
			{
				tool: one('tool'),
				artifacts: listOf('artifact'),
				invocations: listOf('invocation'),
				results: listOf('result'),
			},
			'conversion language versionControlProvenance originalUriBaseIds logicalLocations graphs automationDetails runAggregates baselineGuid redactionTokens defaultEncoding defaultSourceLanguage newlineSequences columnKind externalPropertyFileReferences threadFlowLocations taxonomies addresses translations policies webRequests webResponses specialLocations',
		),
		tool: object(['driver'], {driver: one('toolComponent')}, 'extensions'),
		toolComponent: object(
			['name'],
			{name: text, version: text, rules: listOf('reportingDescriptor')},
			'guid organization product productSuite shortDescription fullDescription fullName semanticVersion dottedQuadFileVersion releaseDateUtc downloadUri informationUri globalMessageStrings notifications taxa locations language contents isComprehensive localizedDataSemanticVersion minimumRequiredLocalizedDataSemanticVersion associatedComponent translationMetadata supportedTaxonomies',
		),
		reportingDescriptor: object(
			['id'],
			{
				id: text,
				shortDescription: one('multiformatMessageString'),
				fullDescription: one('multiformatMessageString'),
				defaultConfiguration: one('reportingConfiguration'),
			},
			'deprecatedIds guid deprecatedGuids name deprecatedNames messageStrings helpUri help relationships',
		),
		multiformatMessageString: object(['text'], {text}, 'markdown'),
		reportingConfiguration: object([], {level}, 'enabled rank parameters'),
		artifact: object(
			[],
			{location: one('artifactLocation')},
			'description parentIndex offset length roles mimeType contents encoding sourceLanguage hashes lastModifiedTimeUtc',
		),
		artifactLocation: object([], {uri: text, index: whole(-1)}, 'uriBaseId description'),
		invocation: object(
			['executionSuccessful'],
			{
				executionSuccessful: {type: 'boolean'},
				exitCode: {type: 'integer'},
				toolExecutionNotifications: listOf('notification'),
			},
			'commandLine arguments responseFiles startTimeUtc endTimeUtc ruleConfigurationOverrides notificationConfigurationOverrides toolConfigurationNotifications exitCodeDescription exitSignalName exitSignalNumber processStartFailureMessage machine account processId executableLocation workingDirectory environmentVariables stdin stdout stderr stdoutStderr',
		),
		notification: object(
			['message'],
			{message: one('message'), level},
			'locations threadId timeUtc exception descriptor associatedRule',
		),
		message: object([], {text}, 'markdown id arguments', {anyRequired: ['text', 'id']}),
		result: object(
			['message'],
			{
				ruleId: text,
				ruleIndex: whole(-1),
				level,
				message: one('message'),
				occurrenceCount: whole(1),
				locations: listOf('location'),
			},
			'rule kind analysisTarget guid correlationGuid partialFingerprints fingerprints stacks codeFlows graphs graphTraversals relatedLocations suppressions baselineState rank attachments hostedViewerUri workItemUris provenance fixes taxa webRequest webResponse',
		),
		location: object(
			[],
			{physicalLocation: one('physicalLocation'), logicalLocations: listOf('logicalLocation')},
			'id message annotations relationships',
		),
		physicalLocation: object(
			[],
			{artifactLocation: one('artifactLocation'), region: one('region')},
			'address contextRegion',
			{anyRequired: ['address', 'artifactLocation']},
		),
		region: object(
			[],
			{byteOffset: whole(-1), byteLength: whole(0)},
			'startLine startColumn endLine endColumn charOffset charLength snippet message sourceLanguage',
			// A region of bytes, as no image has lines.
			{anyRequired: ['byteOffset']},
		),
		logicalLocation: object(
			[],
			{name: text, fullyQualifiedName: text, kind: text},
			'index decoratedName parentIndex',
			{anyRequired: ['name', 'fullyQualifiedName']},
		),
	},
};
