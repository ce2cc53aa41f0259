/** Holds two run folders against each other: the same bits wherever time leaves no trace. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TIME_FIELDS } from '../../trainer/report/log.ts';
import { newestCheckpoint, partOf } from './tiny-training.ts';

const TENSORS = ['generator', 'discriminator', 'generator-ema', 'adam-generator', 'adam-discriminator'];

/** Newest checkpoint: one digest over all tensors, and every tensor file byte for byte. */
export function assertEqualWeights(run: string, reference: string): void {
  const [one, other] = [newestCheckpoint(run), newestCheckpoint(reference)];
  assert(one && other, 'both runs must have a checkpoint');
  assert.equal(one.images, other.images);
  assert.match(other.manifest.weightsDigest, /^[0-9a-f]{64}$/);
  assert.equal(one.manifest.weightsDigest, other.manifest.weightsDigest, 'the weights differ');
  for (const part of TENSORS) assertEqualFiles(join(one.folder, partOf(one, part)), join(other.folder, partOf(other, part)));
}

/** log.txt and metrics.jsonl, without what the clock decides. */
export function assertEqualLogs(run: string, reference: string): void {
  const lines = logLines(reference);
  assert(lines.length > 0);
  for (const line of lines) assert.match(line, /^tick \d+ +kimg [\d.]+ +lod [\d.]+ +minibatch \d+$/);
  assert.deepEqual(logLines(run), lines);
  const metrics = metricsLines(reference);
  assert.equal(metrics.length, lines.length);
  assert.deepEqual(metricsLines(run), metrics);
}

/** Every picture, by name and byte for byte. */
export function assertEqualPictures(run: string, reference: string): void {
  const names = readdirSync(join(reference, 'samples')).sort();
  assert(names.some((name) => /^fakes\d{6}\.png$/.test(name)));
  assert.deepEqual(readdirSync(join(run, 'samples')).sort(), names);
  for (const name of names) assertEqualFiles(join(run, 'samples', name), join(reference, 'samples', name));
}

export function assertEqualFiles(path: string, reference: string): void {
  assert(readFileSync(path).equals(readFileSync(reference)), `${path} differs from ${reference}`);
}

function logLines(run: string): readonly string[] {
  return linesOf(join(run, 'log.txt')).map((line) => line.replace(/ +time .* sec\/tick .* sec\/kimg .* maintenance .*$/, ''));
}

function metricsLines(run: string): readonly object[] {
  return linesOf(join(run, 'metrics.jsonl')).map((line) => {
    const all = JSON.parse(line) as Record<string, unknown>;
    for (const field of TIME_FIELDS) assert(field in all, `metrics.jsonl has no ${field}`);
    return Object.fromEntries(Object.entries(all).filter(([name]) => !(TIME_FIELDS as readonly string[]).includes(name)));
  });
}

function linesOf(path: string): readonly string[] {
  return readFileSync(path, 'utf8').trimEnd().split('\n');
}
