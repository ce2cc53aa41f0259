/** Reads a folder as TensorBoard does, by its own package. */
import type { TestContext } from 'node:test';
import { judge } from './judge.ts';

/** What TensorBoard shows of a folder: tag -> every point. */
export type Shown = Readonly<Record<string, readonly (readonly [time: number, step: number, value: number])[]>>;

/** Undefined where the Python judges are absent and the test is skipped. */
export function tensorboardScalars(t: TestContext, folder: string): Shown | undefined {
  const out = judge(t, PROGRAM, [folder]);
  return out === undefined ? undefined : (JSON.parse(out) as Shown);
}

const PROGRAM = `
import json, logging, sys, types
# TensorBoard's own switch for doing without TensorFlow, whose import takes ten seconds.
sys.modules['tensorboard.compat.notf'] = types.ModuleType('notf')
logging.disable(logging.CRITICAL)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
shown = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0}).Reload()
print(json.dumps({tag: [[e.wall_time, e.step, e.value] for e in shown.Scalars(tag)] for tag in shown.Tags()['scalars']}))
`;
