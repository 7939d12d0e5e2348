/** data. */
import path from 'node:path';
import type { Command } from 'commander';
import { checkCurves, fetchCurves } from '../data.js';
import { CliError } from '../../cluster/errors.js';
import { stateDir } from '../../cluster/state.js';
import { table } from '../terminal.js';
import { examples } from './arguments.js';

export function addDataCommands(program: Command): void {
  examples(
    program
      .command('data')
      .description('fetch the four public sets of learning curves, or check those of EVERBAND_DATA')
      .argument('[folder]', 'where to put them (default: the folder of EVERBAND_DATA, else data in the state folder)')
      .action(async (given: string | undefined) => {
        const kept = process.env['EVERBAND_DATA'];
        const folder = path.resolve(given ?? kept ?? path.join(stateDir(), 'data'));
        // What EVERBAND_DATA names belongs to whoever set it.
        const own = given === undefined && kept !== undefined;
        const fetched = own
          ? []
          : await fetchCurves(folder, (line) => console.error(line), process.env['EVERBAND_DATA_URL']);
        const sets = checkCurves(folder);
        const rows = sets.map(({ set, file, found }) => [set.name, fetched.includes(set) ? 'fetched' : found, file]);
        console.log(table(['set', 'state', 'file'], rows));
        const wrong = sets.filter(({ found }) => found !== 'there').map(({ set }) => set.name);
        if (wrong.length > 0) {
          throw new CliError(
            `EVERBAND_DATA is ${folder}, where these sets are missing or not as published: ${wrong.join(', ')}. Fix: \`everband data FOLDER\` fetches into another folder.`
          );
        }
        if (!own) console.log(`\nexport EVERBAND_DATA=${folder}`);
      }),
    'everband data',
    'everband data ~/curves'
  );
}
