/** The D+G pairs of one phase in their order, known in advance: what each is shown depends on nothing that training computes. */
import type { TrainingRun } from '../../crds/run.ts';
import { type Moment, scheduleAt } from '../../crds/schedule.ts';

/** A D+G pair: how many real images were shown before it, and the schedule that holds for it. */
export type Pair = { readonly images: number; readonly moment: Moment };

/** Where the loop stands between two pairs. */
export type PairStart = { readonly images: number; readonly imagesAtIterationStart: number; readonly repeatIndex: number };

type Plan = Pick<TrainingRun, 'schedule' | 'totalKimg'>;

/** All pairs from `start` to the end of the phase of `resolution`. */
export function* pairsFrom(plan: Plan, resolution: number, start: PairStart): Generator<Pair, void> {
  let { images, imagesAtIterationStart, repeatIndex } = start;
  for (;;) {
    if (repeatIndex === 0) {
      if (phaseOver(plan, resolution, images)) return;
      imagesAtIterationStart = images;
    }
    const moment = scheduleAt(plan.schedule, imagesAtIterationStart);
    yield { images, moment };
    images += moment.minibatch;
    repeatIndex = (repeatIndex + 1) % plan.schedule.minibatchRepeats;
  }
}

/** Whether the phase of `resolution` ends after `images` images; to be asked between outer iterations. */
export function phaseOver({ schedule, totalKimg }: Plan, resolution: number, images: number): boolean {
  return images >= totalKimg * 1000 || scheduleAt(schedule, images).resolution > resolution;
}
