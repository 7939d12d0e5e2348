/** How failures of workflows go over the wire. */
import { DefaultFailureConverter } from '@temporalio/common';
import { payloadsAreEncrypted } from './encryption.js';

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: payloadsAreEncrypted });
