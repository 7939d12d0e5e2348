/** What `everband init` writes. */

export function exampleStudy(trainer: string): string {
  return `# yaml-language-server: $schema=./node_modules/everband/dist/study/study.schema.json
name: first
seed: 1
objective: { metric: loss, mode: minimise }
space:
  lr: { float: [0.0001, 0.5], log: true }
  layers: { int: [1, 4] }
  optimiser: { choice: [sgd, adam] }
  momentum: { float: [0, 0.99], when: { parameter: optimiser, in: [sgd] } }
scheduler: { type: hyperband, R: 27, eta: 3 }
pruner: swift
trainer: { ${trainer} }
parallelism: 4
`;
}

export const exampleTrainer = `// One call per segment: train epochs from + 1 ... to, report each with a checkpoint.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

export async function train({ config, from, to, checkpoint, checkpointDir, report }) {
  let state = checkpoint ? JSON.parse(await readFile(checkpoint, 'utf8')) : { loss: 1 };
  for (let epoch = from + 1; epoch <= to; epoch++) {
    state = { loss: state.loss * (1 - 0.5 * config.lr) + 0.001 * config.layers };
    const name = \`epoch-\${epoch}.json\`;
    await writeFile(path.join(checkpointDir, name), JSON.stringify(state));
    await report({ loss: state.loss }, name);
  }
}
`;

export const examplePython = `"""One request per segment: train epochs from + 1 ... to, report each with a checkpoint."""
import json
import os
import sys

for line in sys.stdin:
    request = json.loads(line)
    state = json.load(open(request["checkpoint"])) if request["checkpoint"] else {"loss": 1.0}
    for epoch in range(request["from"] + 1, request["to"] + 1):
        state["loss"] = state["loss"] * (1 - 0.5 * request["config"]["lr"]) + 0.001 * request["config"]["layers"]
        name = f"epoch-{epoch}.json"
        with open(os.path.join(request["checkpointDir"], name), "w") as file:
            json.dump(state, file)
        print(json.dumps({"epoch": epoch, "loss": state["loss"], "checkpoint": name}), flush=True)
    print(json.dumps({"ready": True}), flush=True)
`;
