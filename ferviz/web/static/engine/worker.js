// The worker: LiteRT's loader needs `importScripts`, which only classic workers have, so the modules are imported here.
const service = import("./service.js");

self.onmessage = async ({ data: { id, call, args } }) => {
  try {
    const calls = await service;
    self.postMessage({ id, result: await calls[call](...args) });
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
};
