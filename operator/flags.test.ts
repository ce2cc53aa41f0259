import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import { type Flags, withFlags } from './flags.ts';

const parsed = (...args: readonly string[]): Flags =>
  withFlags(new Command())
    .exitOverride()
    .parse(['--trainer-image=trainer', ...args], { from: 'user' })
    .opts<Flags>();

function setNamespaces(t: TestContext, value: string): void {
  setVariable(t, 'PGGAN_NAMESPACES', value);
}

function setVariable(t: TestContext, name: string, value: string): void {
  process.env[name] = value;
  t.after(() => delete process.env[name]);
}

test('namespaces are named one by one or in a list, each once; without any it is all', () => {
  assert.deepEqual(parsed().namespace, []);
  assert.deepEqual(parsed('--namespace=a').namespace, ['a']);
  assert.deepEqual(parsed('--namespace=a', '--namespace=b-1,a', '--namespace=c').namespace, ['a', 'b-1', 'c']);
});

test('the environment names them, too, and what is on the command line stands instead', (t) => {
  setNamespaces(t, 'x,y');
  assert.deepEqual(parsed().namespace, ['x', 'y']);
  assert.deepEqual(parsed('--namespace=a', '--namespace=b').namespace, ['a', 'b']);
});

test('an environment that names none means all', (t) => {
  setNamespaces(t, '');
  assert.deepEqual(parsed().namespace, []);
});

test('what can be no namespace is refused by name', () => {
  for (const name of ['Research', 'a b', '-a', 'a'.repeat(64)])
    assert.throws(() => parsed(`--namespace=${name}`), {
      code: 'UsageInvalid',
      message: new RegExp(`"${name}" is no name of a namespace`),
    });
});

test('an image for GPUs is named or left out', () => {
  assert.equal(parsed().trainerGpuImage, undefined);
  assert.equal(parsed('--trainer-gpu-image=trainer-gpu').trainerGpuImage, 'trainer-gpu');
});

test('trainers are asked through the API server only where that was said', (t) => {
  assert.equal(parsed().podProxy, false);
  assert.equal(parsed('--pod-proxy').podProxy, true);
  assert.equal(parsed('--pod-proxy', '--namespace=a').podProxy, true);
  for (const [value, on] of Object.entries({ true: true, false: false, '': false })) {
    setVariable(t, 'PGGAN_POD_PROXY', value);
    assert.equal(parsed().podProxy, on, value);
  }
  assert.throws(() => parsed('--pod-proxy=maybe'), { code: 'UsageInvalid', message: /"maybe" is neither true nor false/ });
});
