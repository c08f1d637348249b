// Preloaded into QMD's process: llama.cpp gets one thread.
// With more, its threads wait for each other by spinning, and any other load on the processor
// makes that hundreds of times slower. IAIP_NODE_LLAMA_CPP is the directory of node-llama-cpp.

import { pathToFileURL } from "node:url";

// node-llama-cpp tries its binaries in forks of this process, which must not load it a second time.
if (process.env.TEST_BINDING_CP !== "true") {
  const entry = pathToFileURL(`${process.env.IAIP_NODE_LLAMA_CPP}/dist/index.js`);
  const { Llama } = await import(entry.href);
  const create = Llama._create.bind(Llama);
  Llama._create = (options) => create({ ...options, maxThreads: 1 });
}
