/** The study file's JSON Schema, for completion in editors. */
import { z } from 'zod';
import { editorSchema } from './schema.js';

export function studyJsonSchema(): object {
  return { ...z.toJSONSchema(editorSchema, { io: 'input', unrepresentable: 'any' }), title: 'Everband study' };
}
