/** The training schedule as pure functions: images shown -> level of detail, resolution, minibatch, learning rates; and the list of phases. */

/** What applies at one resolution, from the start of its fade-in to the start of the next one's. */
export type Level = {
  readonly resolution: number;
  /** Images per D step. */
  readonly minibatch: number;
  /** Images per forward and backward pass, a divisor of the minibatch; absent: the whole of it. */
  readonly microbatch?: number | undefined;
  readonly generatorLearningRate: number;
  readonly discriminatorLearningRate: number;
  /** Length of a tick (one report, one picture), in thousands of images. */
  readonly tickKimg: number;
};

/** A schedule with every default filled in. `totalKimg` is not part of it: a run may be extended. */
export type Schedule = {
  readonly resolution: number;
  readonly initialResolution: number;
  readonly trainKimg: number;
  readonly transitionKimg: number;
  /** D+G step pairs per outer iteration. The schedule is evaluated at the start of an outer iteration and holds through it. */
  readonly minibatchRepeats: number;
  /** One per resolution from 4 to `resolution`, in rising order. */
  readonly levels: readonly Level[];
};

/** Where a run stands in its schedule. `lod` is the level of detail: 0 at full resolution, +1 per halving, fractional within a fade-in. */
export type Moment = Level & { readonly lod: number };

/** The part of a run that one Job trains: everything at one resolution, its fade-in included. */
export type Phase = {
  readonly resolution: number;
  /** Images shown before its first and after its last step. */
  readonly startImages: number;
  readonly endImages: number;
};

/** Level of detail after `images` real images (Karras et al. 2018, section 2 and appendix A). */
function lodAt(schedule: Schedule, images: number): number {
  const { trainKimg, transitionKimg } = schedule;
  const kimg = images / 1000;
  const cycleKimg = trainKimg + transitionKimg;
  const cycle = cycleKimg > 0 ? Math.floor(kimg / cycleKimg) : 0;
  const kimgInCycle = kimg - cycle * cycleKimg;
  const faded = transitionKimg > 0 ? Math.max(kimgInCycle - trainKimg, 0) / transitionKimg : 0;
  return Math.max(Math.log2(schedule.resolution) - Math.log2(schedule.initialResolution) - cycle - faded, 0);
}

/** The schedule after `images` real images. */
export function scheduleAt(schedule: Schedule, images: number): Moment {
  const lod = lodAt(schedule, images);
  const resolution = 2 ** (Math.log2(schedule.resolution) - Math.floor(lod));
  const level = schedule.levels.find((candidate) => candidate.resolution === resolution);
  if (!level) throw new RangeError(`schedule has no level for resolution ${resolution}`);
  return { ...level, lod };
}

/** Images shown in one outer iteration that starts at `moment`. */
export function imagesPerIteration(schedule: Schedule, moment: Level): number {
  return moment.minibatch * schedule.minibatchRepeats;
}

/** True where the state of Adam is reset: at the start, and at both ends of every fade-in. `before` is the lod of the outer iteration before. */
export function resetsOptimizer(before: number | undefined, lod: number): boolean {
  return before === undefined || Math.floor(before) !== Math.floor(lod) || Math.ceil(before) !== Math.ceil(lod);
}

/**
 * The phases of a run of `totalKimg`, by walking outer iterations as the training loop does: a phase ends at the first outer-iteration
 * end whose schedule asks for a higher resolution, or where the run ends. Nominal 600 kimg become 600,064 images with a minibatch of 128.
 */
export function phases(schedule: Schedule, totalKimg: number): readonly Phase[] {
  const endOfRun = totalKimg * 1000;
  const list: Phase[] = [];
  let startImages = 0;
  for (let images = 0; images < endOfRun; ) {
    const moment = scheduleAt(schedule, images);
    const iteration = imagesPerIteration(schedule, moment);
    // Within a phase every outer iteration has the same length, so its end is found by bisection instead of a million steps.
    const ends = (iterations: number): boolean => {
      const at = images + iterations * iteration;
      return at >= endOfRun || scheduleAt(schedule, at).resolution > moment.resolution;
    };
    let low = 0;
    let high = 1;
    while (!ends(high)) high *= 2;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (ends(middle)) high = middle;
      else low = middle;
    }
    images += high * iteration;
    list.push({ resolution: moment.resolution, startImages, endImages: images });
    startImages = images;
  }
  return list;
}

/** Images after which the last resolution has fully faded in: a run must be longer than this. */
export function fadedInImages(schedule: Schedule): number {
  const doublings = Math.log2(schedule.resolution) - Math.log2(schedule.initialResolution);
  return doublings * (schedule.trainKimg + schedule.transitionKimg) * 1000;
}

/** Images of a phase that are shown while its resolution fades in; the first resolution never does. */
export function fadingImages({ initialResolution, transitionKimg }: Schedule, { resolution, startImages, endImages }: Phase): number {
  return resolution === initialResolution ? 0 : Math.min(transitionKimg * 1000, endImages - startImages);
}
