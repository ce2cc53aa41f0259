/** Host values of variables, checked before anything is written. */
import type { Values } from './program.ts';

/** @throws RangeError for an unknown name or a wrong length */
export function checkValues(shapes: Readonly<Record<string, readonly number[]>>, values: Values): void {
  for (const [name, value] of values) {
    const shape = shapes[name];
    if (!shape) throw new RangeError(`there is no variable ${name}`);
    const length = shape.reduce((product, side) => product * side, 1);
    if (value.length !== length)
      throw new RangeError(`variable ${name} is [${shape.join(', ')}]: it takes ${length} values, not ${value.length}`);
  }
}
