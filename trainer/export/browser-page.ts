/** A page that draws samples of a browser model on a canvas, from the files beside it alone: no network, no build. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { NOTICE } from './model-facts.ts';
import type { ModelFiles } from './tfjs.ts';

/** `index.html` and the copy of TensorFlow.js (Apache License 2.0) that it runs on. */
export function browserPage(): ModelFiles {
  const library = createRequire(import.meta.url).resolve('@tensorflow/tfjs/dist/tf.min.js');
  return new Map([
    ['index.html', [Buffer.from(PAGE)]],
    ['tf.min.js', [readFileSync(library)]],
  ]);
}

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>PG-GAN generator</title>
<style>
  body { font-family: sans-serif; text-align: center }
  canvas { width: 512px; image-rendering: pixelated }
</style>
<h1>Synthetic image</h1>
<canvas id="image"></canvas>
<p><button id="another" disabled>Another one</button> <select id="label" hidden></select></p>
<p id="notice">${NOTICE}</p>
<script src="tf.min.js"></script>
<script type="module">
  const [canvas, button, label] = ['image', 'another', 'label'].map((id) => document.getElementById(id));
  const model = await tf.loadGraphModel('model.json');
  const features = (name) => model.inputs.find((input) => input.name === name)?.shape[1] ?? 0;
  const classes = features('labels');
  for (let i = 0; i < classes; i++) label.add(new Option('class ' + i, i));
  label.hidden = classes === 0;

  async function draw() {
    const image = tf.tidy(() => {
      const input = { latents: tf.randomNormal([1, features('latents')]) };
      if (classes > 0) input.labels = tf.oneHot([Number(label.value)], classes).toFloat();
      return model.execute(input, 'images').squeeze([0]).add(1).div(2).clipByValue(0, 1);
    });
    await tf.browser.toPixels(image, canvas);
    image.dispose();
  }

  button.onclick = label.onchange = draw;
  await draw();
  button.disabled = false;
</script>
</html>
`;
