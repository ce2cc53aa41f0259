/** Makes a program runnable in the mode that its definition asks for. */
import { eagerProgram } from './eager.ts';
import type { Program, ProgramDefinition } from './program.ts';

export function compileProgram(definition: ProgramDefinition): Program {
  return eagerProgram(definition);
}
