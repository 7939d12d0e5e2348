/** Reads lines that a careless search takes minutes for, and prints what they are. */
import { maxLine, parseLine } from '../../trainers/protocol.js';

const fill = (part: string) => part.repeat(Math.floor((maxLine - 100) / part.length));
const lines = [
  `{"epoch":1,"loss":1,"${fill('\\"')}`,
  `{"epoch":1,"loss":1,"${fill('\\')}`,
  `{"epoch":1,"loss":1,${fill('"')}`,
  `{"epoch":1,"loss":1,${fill('-')}`,
  `{"epoch":1,"loss":NaN,"x":"${fill('\\"')}"}`,
  `{"epoch":1,"loss":1,"x":[${fill('NaN,')}0]}`,
  `{"error":${'['.repeat(maxLine / 2 - 100)}${']'.repeat(maxLine / 2 - 100)}}`,
  `{${fill(' ')}`,
];
console.log(lines.map((line) => parseLine(line, 'loss').type).join(' '));
