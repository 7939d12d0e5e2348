/** Names of the files of a record. */
export const fileNames = {
  proposal: (bracket: string, first: number) => `${bracket}.p${first}.json`,
  isProposal: (name: string) => /^[^.]+\.p\d+\.json$/.test(name),
  round: (group: string) => `${group}.json`,
  /** Who came to a round, written as it begins. */
  entered: (group: string) => `${group}.entered.json`,
  /** `first`: lines of the log in the parts before. */
  part: (first: number) => `part-${first}.json`,
  /** Digests of other files; `number`: of such files before it. */
  digests: (number: number) => `digests-${number}.json`,
} as const;

/** Whether it is one of those. */
export function isRecordName(name: string): boolean {
  return /^[A-Za-z0-9_-]+(\.p\d+|-r\d+|-r\d+\.entered)\.json$|^(part|digests)-\d+\.json$/.test(name);
}
