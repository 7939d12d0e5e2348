/** Puts messages and stack traces of failures where the codec encrypts them. The SDK loads it by its path. */
import { DefaultFailureConverter } from '@temporalio/common';

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
