/** A configuration as YAML that readers of 1.1 and 1.2 take alike. */
import { Document, Scalar, visit, type ScalarTag } from 'yaml';
import type { Config } from '../core/study.js';

/** PyYAML reads 1e-7 as a string, 1.0e-7 as a number. */
const exponent: ScalarTag = {
  tag: 'tag:yaml.org,2002:float',
  default: true,
  identify: (value) => typeof value === 'number' && /^-?\de/.test(String(value)),
  test: /^$^/,
  resolve: Number,
  stringify: ({ value }) => String(value).replace('e', '.0e'),
};
/** Text that stays without quotes unless it reads as a number, a date or the like in either version. */
const plain = /^[A-Za-z_][\w. /-]*$/;
/** Not allowed as they are, or a line break to some reader. */
const special = /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g;

export function toYaml(config: Config): string {
  const document = new Document(config, {
    version: '1.2',
    compat: 'yaml-1.1',
    aliasDuplicateObjects: false,
    customTags: (tags) => [exponent, ...tags],
  });
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'string' && !plain.test(node.value)) node.type = Scalar.QUOTE_DOUBLE;
    },
  });
  const text = document.toString({ lineWidth: 0, blockQuote: false, flowCollectionPadding: false });
  return text.replace(special, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
