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
