/**
 * Whether the worker encrypts payloads. A worker that does loads the bundle with `true` here, for a bundle has no other setting
 * than its own text: failures then go through the codec, too, and what cannot be encrypted holds no results.
 */
const encrypted = { payloads: false };

export const payloadsAreEncrypted = encrypted.payloads;
