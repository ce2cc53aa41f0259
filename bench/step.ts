/** Measures training steps: seconds per thousand images, arithmetic against the machine's own peak, memory, and the Python twin in turns. */
import { asError } from '../crds/errors.ts';
import { flopsPerImage } from './flops.ts';
import { type StepCase, stepOptions } from './cases.ts';
import { type Child, startWorker } from './child.ts';
import { median } from '../trainer/plan/median.ts';
import type { PeakAnswer, PeakRequest } from './peak-worker.ts';
import type { FirstAnswer, StepRequest, TimedAnswer, TimedRequest } from './step-worker.ts';
import { startTwin, twinCase } from './twin.ts';

export type StepRunOptions = {
  readonly threads: number;
  /** Rounds; in each ours, the twin's and the fastest convolution take turns. */
  readonly iterations: number;
  /** How the twin is run; `best` tries both and takes the faster, `none` leaves it out. */
  readonly twin: 'best' | 'xla' | 'plain' | 'none';
  /** A twin that takes longer to compile than this is given up. */
  readonly twinSeconds: number;
  readonly note: (text: string) => void;
};

export type StepResult = StepCase & {
  readonly threads: number;
  readonly iterations: number;
  readonly secondsPerKimg: number;
  readonly gflops: number;
  readonly peakGflops: number;
  readonly peakConvolution: string;
  readonly shareOfPeak: number;
  readonly peakBytes: number;
  /** Tracing, loading and the first iteration. */
  readonly firstSeconds: number;
  readonly twin?: TwinResult;
  /** Our time over the twin's, median of the rounds' quotients: below 1 we are faster. */
  readonly timeOverTwin?: number;
};

type TwinResult = {
  readonly xla: boolean;
  readonly secondsPerKimg: number;
  readonly peakBytes: number;
  readonly firstSeconds: number;
  /** Seconds of an iteration of both ways, as tried first; a way that failed says why. */
  readonly tried: Readonly<Record<string, number | string>>;
};

/** Measures one case in processes of its own. */
export async function measureStep(each: StepCase, options: StepRunOptions): Promise<StepResult> {
  const { threads, iterations } = options;
  const twin = options.twin === 'none' ? undefined : await fasterTwin(each, options);
  const peak = startWorker('the convolution worker', 'peak-worker.ts');
  const ours = startWorker('our step', 'step-worker.ts');
  try {
    const peakRequest: PeakRequest = { threads, precision: peakPrecision(each), repeats: 2 };
    const fastest = await peak.ask<PeakAnswer>(peakRequest);
    const first = await ours.ask<FirstAnswer>({ ...each, threads } satisfies StepRequest);
    const once = { iterations: 1 } satisfies TimedRequest;
    await ours.ask(once);
    const rounds: { ours: number; twin: number; peak: number }[] = [];
    let ourBytes = 0;
    let twinBytes = 0;
    for (let round = 0; round < iterations; round++) {
      // Who goes first changes, so that neither profits from what the other leaves in the caches.
      const theirsFirst = round % 2 === 1 ? await twin?.child.ask<TimedAnswer>(once) : undefined;
      const a = await ours.ask<TimedAnswer>(once);
      const b = theirsFirst ?? (await twin?.child.ask<TimedAnswer>(once));
      const c = await peak.ask<PeakAnswer>({ ...peakRequest, only: fastest.name });
      rounds.push({ ours: a.seconds[0] ?? Number.NaN, twin: b?.seconds[0] ?? Number.NaN, peak: c.gflops });
      ourBytes = a.peakBytes;
      twinBytes = b?.peakBytes ?? 0;
    }
    const perKimg = (seconds: readonly number[]): number => (median(seconds) * 1000) / each.minibatch;
    const secondsPerKimg = perKimg(rounds.map((round) => round.ours));
    const gflops = (flopsPerImage(stepOptions(each).shape, each.resolution) * 1000) / secondsPerKimg / 1e9;
    const peakGflops = Math.max(fastest.gflops, ...rounds.map((round) => round.peak));
    return {
      ...each,
      threads,
      iterations,
      secondsPerKimg,
      gflops,
      peakGflops,
      peakConvolution: fastest.name,
      shareOfPeak: gflops / peakGflops,
      peakBytes: ourBytes,
      firstSeconds: first.firstSeconds,
      ...(twin
        ? {
            twin: {
              xla: twin.xla,
              secondsPerKimg: perKimg(rounds.map((round) => round.twin)),
              peakBytes: twinBytes,
              firstSeconds: twin.firstSeconds,
              tried: twin.tried,
            },
            timeOverTwin: median(rounds.map((round) => round.ours / round.twin)),
          }
        : {}),
    };
  } finally {
    await Promise.all([ours.close(), peak.close(), twin?.child.close()]);
  }
}

/** Nothing above 4x4 is there to be computed in bfloat16, so 4x4 is held against float32. */
function peakPrecision({ precision, resolution }: StepCase): StepCase['precision'] {
  return resolution > 4 ? precision : 'Float32';
}

type StartedTwin = {
  readonly child: Child;
  readonly xla: boolean;
  readonly firstSeconds: number;
  readonly tried: Readonly<Record<string, number | string>>;
};

/** Tries the twin without and with XLA, one after the other for the sake of memory, and keeps the faster one running. */
async function fasterTwin(each: StepCase, options: StepRunOptions): Promise<StartedTwin | undefined> {
  const tried: Record<string, number | string> = {};
  let best: (StartedTwin & { readonly seconds: number }) | undefined;
  for (const xla of [false, true]) {
    if ((xla && options.twin === 'plain') || (!xla && options.twin === 'xla')) continue;
    const child = startTwin(options.threads);
    if (!child) {
      options.note('no twin: Python TensorFlow is not installed (node scripts/setup.mjs --judges)');
      return undefined;
    }
    const way = xla ? 'xla' : 'plain';
    const giveUp = setTimeout(() => child.kill(), options.twinSeconds * 1000);
    try {
      const { resolution, minibatch } = each;
      const first = await child.ask<FirstAnswer>(twinCase(stepOptions(each), { resolution, minibatch, fading: false }, { xla }));
      const { seconds } = await child.ask<TimedAnswer>({ iterations: 2 } satisfies TimedRequest);
      const fastest = Math.min(...seconds);
      tried[way] = fastest;
      const slower = best !== undefined && best.seconds <= fastest ? child : best?.child;
      if (slower !== child) best = { child, xla, firstSeconds: first.firstSeconds, tried, seconds: fastest };
      await slower?.close();
    } catch (error) {
      tried[way] = child.killed() ? `given up after ${options.twinSeconds} s` : asError(error).message.slice(0, 500);
      options.note(`twin (${way}): ${tried[way]}`);
    } finally {
      clearTimeout(giveUp);
    }
  }
  return best;
}
