// Fills in what the reference implementation of JSONata makes of each case of golden.json:
//   npm install --no-save jsonata@2.0.6 && node golden.mjs
// 2.0.6 is what Step Functions supports. Only this file needs it: the tests read golden.json.
import { readFileSync, writeFileSync } from 'node:fs';
import jsonata from 'jsonata';

const file = new URL('golden.json', import.meta.url);
const golden = JSON.parse(readFileSync(file, 'utf8'));
golden.produced_by = 'the npm package jsonata 2.0.6, by golden.mjs';

for (const each of golden.cases) {
  for (const name of ['value', 'undefined', 'error']) delete each[name];
  try {
    const value = await jsonata(each.expression).evaluate(undefined, structuredClone(each.variables));
    if (value === undefined) each.undefined = true;
    else each.value = value;
  } catch (error) {
    each.error = error.code ?? error.message;
  }
}

// One line for each case, so that a difference shows which one it is.
const lines = golden.cases.map((each) => `    ${JSON.stringify(each)}`).join(',\n');
writeFileSync(file, `{\n  "produced_by": ${JSON.stringify(golden.produced_by)},\n  "cases": [\n${lines}\n  ]\n}\n`);
