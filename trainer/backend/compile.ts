/** Makes a program runnable in the mode that its definition asks for. */
import { PgganError } from '../../crds/errors.ts';
import { eagerProgram } from './eager.ts';
import { graphProgram, type GraphOptions } from './graph.ts';
import { native } from './native.ts';
import type { Program, ProgramDefinition } from './program.ts';

/**
 * Compiles a program; its variables are zero. In graph mode every step is run a few times on its example feeds first.
 * @throws {PgganError} BackendUnavailable for graph mode without the native backend
 * @throws Error where a step is no pure function of its feeds and variables: a host read, a tf.Variable, a random number, a value that JavaScript computes anew each time
 */
export function compileProgram(
  definition: ProgramDefinition,
  options: GraphOptions = { stacks: process.env['PGGAN_STACKS'] === '1' },
): Program {
  checkNames(definition);
  switch (definition.mode) {
    case 'eager':
      return eagerProgram(definition);
    case 'graph': {
      const backend = native();
      if (!backend)
        throw new PgganError('BackendUnavailable', "a traced graph needs the native TensorFlow backend: use mode 'eager' with the others");
      return graphProgram(backend, definition, options);
    }
  }
}

/** Variables become nodes of a graph by their names. */
function checkNames({ variables }: ProgramDefinition): void {
  for (const name in variables) {
    if (!/^[A-Za-z0-9._/-]+$/.test(name)) throw new RangeError(`variable '${name}': a name may hold letters, digits and . _ / - only`);
  }
}
