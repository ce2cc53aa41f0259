/** Links of the documentation lead to files and headings that are there. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..');
const PAGES = ['README.md', 'helm/*/README.md', 'docs/**/*.md']
  .flatMap((pattern) => globSync(pattern, { cwd: ROOT }))
  .map((file) => join(ROOT, file));

/** As GitHub makes them of headings. */
const anchorsOf = (page: string): ReadonlySet<string> =>
  new Set(
    [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );

for (const page of PAGES)
  test(`the links of ${relative(ROOT, page)} lead somewhere`, () => {
    const text = readFileSync(page, 'utf8')
      .replaceAll(/^```[^]*?^```/gm, '')
      .replaceAll(/`[^`\n]*`/g, '');
    for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : resolve(dirname(page), path);
      assert.ok(existsSync(target), link);
      if (anchor !== undefined) assert.ok(anchorsOf(readFileSync(target, 'utf8')).has(anchor), link);
    }
  });

test('every page of docs/ can be reached from docs/README.md or from a page that it names', () => {
  const linked = new Set<string>();
  const follow = (page: string): void => {
    if (linked.has(page)) return;
    linked.add(page);
    for (const [, link = ''] of readFileSync(page, 'utf8').matchAll(/\]\(([^)#\s]+\.md)[^)]*\)/g))
      if (!link.startsWith('http')) follow(resolve(dirname(page), link));
  };
  follow(join(ROOT, 'docs/README.md'));
  assert.deepEqual(
    PAGES.filter((page) => page.startsWith(join(ROOT, 'docs/')) && !linked.has(page)),
    [],
  );
});
