/** Replays forward pass, loss terms and gradients of a golden case through the public functions. */
import * as tf from '@tensorflow/tfjs';
import { lossAndGradients } from '../loss/gradients.ts';
import { discriminatorLoss, generatorLoss } from '../loss/wgan-gp.ts';
import { discriminator } from '../networks/discriminator.ts';
import { generator } from '../networks/generator.ts';
import { type GoldenCase, goldenTensor } from './case.ts';
import { type Deviation, largestDeviation, type Quantity, type Tolerances } from './deviations.ts';
import { currentImages, fullImages, levelOf } from './levels.ts';

/** Compares everything that the case holds for one level of detail. */
export function replayLosses(golden: GoldenCase, lod: number, tolerances: Tolerances): readonly Deviation[] {
  return tf.tidy((): Deviation[] & tf.TensorContainerArray => {
    const at = `lod${lod}`;
    const { shape, loss } = golden;
    const level = levelOf(shape, lod);
    const deviations: Deviation[] = [];
    const compare = (key: string, quantity: Quantity, actual: tf.Tensor): void => {
      const expected = golden.values(`${at}/${key}`).data;
      deviations.push({
        at: `${at}/${key}`,
        quantity,
        deviation: largestDeviation(actual.dataSync(), expected),
        tolerance: tolerances[quantity],
      });
    };
    const weightsG = allWeights(golden, 'G');
    const weightsD = allWeights(golden, 'D');
    const inputs = (network: 'G' | 'D') => ({
      ...level,
      latents: goldenTensor<tf.Rank.R2>(golden, `${at}/in/lat${network}`),
      ...(shape.labelSize > 0 ? { labels: goldenTensor<tf.Rank.R2>(golden, `${at}/in/lab${network}`) } : {}),
    });
    const reals = currentImages(goldenTensor<tf.Rank.R4>(golden, `${at}/in/reals`), level.resolution);

    compare('out/G_images', 'images', fullImages(generator(shape, byName(weightsG), inputs('D')), shape.resolution));
    const judged = discriminator(shape, byName(weightsD), reals, level);
    compare('out/D_real_scores', 'scores', judged.scores);
    if (judged.labels) compare('out/D_real_labels', 'scores', judged.labels);

    const D = lossAndGradients(weightsD, (weights) =>
      discriminatorLoss(shape, loss, byName(weightsG), byName(weights), {
        ...inputs('D'),
        reals,
        mixing: goldenTensor<tf.Rank.R4>(golden, `${at}/in/u`),
      }),
    );
    compare('out/D_loss_mean', 'losses', D.value);
    compare('out/terms/real_scores', 'scores', D.terms.realScores);
    compare('out/terms/fake_scores', 'scores', D.terms.fakeScores);
    compare('out/terms/mixed_scores', 'scores', D.terms.mixedScores);
    compare('out/terms/mixed_norms', 'gradientNorms', D.terms.mixedNorms);
    compare('out/terms/epsilon_penalty', 'scores', D.terms.epsilonPenalty);
    if (D.terms.labelPenaltyReals) compare('out/terms/label_penalty_reals', 'losses', D.terms.labelPenaltyReals);
    if (D.terms.labelPenaltyFakes) compare('out/terms/label_penalty_fakes', 'losses', D.terms.labelPenaltyFakes);
    for (const name of golden.weightNames.D) compare(`grad/D/${name}`, 'gradientsD', D.gradients[name] ?? tf.zerosLike(weightsD[name]!));

    const G = lossAndGradients(weightsG, (weights) => generatorLoss(shape, loss, byName(weights), byName(weightsD), inputs('G')));
    compare('out/G_loss_mean', 'losses', G.value);
    for (const name of golden.weightNames.G) compare(`grad/G/${name}`, 'gradientsG', G.gradients[name] ?? tf.zerosLike(weightsG[name]!));
    return deviations;
  });
}

function allWeights(golden: GoldenCase, network: 'G' | 'D'): Record<string, tf.Tensor> {
  return Object.fromEntries(golden.weightNames[network].map((name) => [name, goldenTensor(golden, `weights/${network}/${name}`)]));
}

const byName =
  (weights: Readonly<Record<string, tf.Tensor>>) =>
  (name: string): tf.Tensor => {
    const weight = weights[name];
    if (!weight) throw new Error(`the golden case has no weight ${name}`);
    return weight;
  };
