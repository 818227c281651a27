export default async function stopServers() {
  await Promise.all(globalThis.sharedServers.map((server) => server.stop()));
}
