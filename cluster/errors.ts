/** An error a user can mend: printed as one line, without a stack. Exit code 1, or 2 for bad input. */
export class CliError extends Error {
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = 1
  ) {
    super(message);
  }
}
