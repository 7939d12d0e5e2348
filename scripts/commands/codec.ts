/** codec: the file of keys that payloads are encrypted with. */
import type { Command } from 'commander';
import { addCodecKey, codecFile, keysVariable } from '../../cluster/codec.js';
import { CliError } from '../../cluster/errors.js';
import { examples, print, type Json } from './arguments.js';

export function addCodecCommands(program: Command): void {
  const codec = examples(
    program.command('codec').description('keys that payloads are encrypted with on their way to the server'),
    'everband codec new'
  );
  codec
    .command('new')
    .description('make a file with a fresh key, or add a fresh key to it: the next payload is encrypted with that one')
    .option('--file <file>', `the file of keys (default: what ${keysVariable} names)`)
    .option('--json', 'as JSON')
    .action((options: Json & { file?: string }) => {
      const file = options.file ?? codecFile();
      if (!file) throw new CliError(`no file is named. Fix: --file codec.json, or set ${keysVariable}.`, 2);
      const { current, keys } = addCodecKey(file);
      const use = codecFile() === null ? `; set ${keysVariable}=${file} for every client and worker` : '';
      const says = `${file} encrypts with key ${current} from now on, and has ${[...keys.keys()].join(', ')}${use}`;
      print(options, { file, current, keys: [...keys.keys()] }, says);
    });
}
