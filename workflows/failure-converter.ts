/** How failures of workflows go over the wire: the bundle has no other setting than what its text says. */
import { DefaultFailureConverter } from '@temporalio/common';

/** A worker that encrypts payloads loads the bundle with `true` here: messages and stack traces go through its codec then. */
const failuresAreEncoded = false;

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: failuresAreEncoded });
