/** Which records this version reads. */
import { recordFormat as format } from '../core/record.js';

/** @throws RangeError for a record of another format, such as one that an earlier version wrote */
export function checkFormat(record: { readonly format?: unknown }): void {
  if (record.format === format) return;
  const seen = record.format === undefined ? 'has no format' : `is of the format ${JSON.stringify(record.format)}`;
  throw new RangeError(
    `The record ${seen}, and this version of Everband reads "${format}": report and export it with the version that wrote it, or run the study again.`
  );
}
