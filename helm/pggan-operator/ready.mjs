// What `helm test` runs in the operator's image: asks a URL until it answers 200, for so many seconds. `node ready.mjs URL SECONDS`
const [url, seconds] = process.argv.slice(-2);
const deadline = Date.now() + Number(seconds) * 1000;
for (;;) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(5000) }).then(
    async (response) => `${response.status} ${await response.text()}`.trim(),
    (error) => error.cause?.message ?? error.message,
  );
  if (answer.startsWith('200')) {
    console.log(`${url}: ${answer}`);
    break;
  }
  if (Date.now() >= deadline) {
    console.error(`${url} is not ready after ${seconds} s: ${answer}`);
    process.exit(1);
  }
  await new Promise((done) => setTimeout(done, 500));
}
