import { builtinModules } from 'node:module';
import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Imports point one way: a folder may import only those named. */
const walls = {
  core: [],
  study: ['core'],
  trust: ['core'],
  report: ['core'],
  workflows: ['core'],
  trainers: ['core', 'trust', 'workflows'],
  activities: ['core', 'study', 'trust', 'trainers', 'workflows'],
  cluster: ['workflows'],
  workers: ['core', 'study', 'trust', 'trainers', 'workflows', 'activities', 'cluster'],
  simulate: ['core', 'study', 'trainers', 'report'],
};
const ours = [
  'core',
  'study',
  'trust',
  'report',
  'simulate',
  'workflows',
  'trainers',
  'activities',
  'cluster',
  'workers',
  'scripts',
  'examples',
  'bench',
  'test',
  'chaos',
];

/** What code that is replayed cannot use. */
const impure = ['node:*', ...builtinModules.filter((name) => !name.startsWith('_')), 'zod', 'yaml'];

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'python', '.everband'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/return-await': 'error',
      eqeqeq: 'error',
    },
  },
  ...Object.entries(walls).map(([folder, allowed]) => ({
    files: [`${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ours.filter((one) => one !== folder && !allowed.includes(one)).map((one) => `**/${one}/**`),
              message: `${folder}/ may import only ${[folder, ...allowed].join(', ')}`,
            },
            ...(folder === 'core' || folder === 'workflows'
              ? [{ group: impure, message: 'deterministic code: no I/O' }]
              : []),
            ...(folder === 'core' ? [{ group: ['@temporalio/*'], message: 'core/ knows nothing of Temporal' }] : []),
            ...(folder === 'workflows'
              ? [
                  {
                    group: ['@temporalio/*', '!@temporalio/workflow', '!@temporalio/common'],
                    message: 'workflows run in a sandbox: @temporalio/workflow and @temporalio/common only',
                  },
                ]
              : []),
          ],
        },
      ],
    },
  })),
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: { globals: { console: 'readonly', process: 'readonly', URL: 'readonly', setTimeout: 'readonly' } },
  }
);
