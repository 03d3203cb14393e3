/** The file system and the model do not agree. */
export class Mismatch extends Error {
	override readonly name = 'Mismatch';
}
