/** Passes a body on and fails where it turns out longer or shorter than said, so that nobody takes it for whole. */
export async function* count(body: AsyncIterable<Buffer>, size: number): AsyncGenerator<Buffer> {
  let got = 0;
  for await (const chunk of body) {
    got += chunk.length;
    if (got > size) break;
    yield chunk;
  }
  if (got !== size) throw new TypeError(`It was to have ${size} bytes and has ${got > size ? "more" : got}.`);
}
