// Preloaded into QMD's process: each context of llama.cpp gets one thread, and IAIP_CONTEXTS of them work at once.
// The threads of one context wait for each other by spinning, and any other load on the processor makes that
// hundreds of times slower; contexts do not wait for each other. IAIP_NODE_LLAMA_CPP is node-llama-cpp's directory.

import { pathToFileURL } from "node:url";

// node-llama-cpp tries its binaries in forks of this process, which must not load it a second time.
if (process.env.TEST_BINDING_CP !== "true") {
  const entry = pathToFileURL(`${process.env.IAIP_NODE_LLAMA_CPP}/dist/index.js`);
  const { Llama, LlamaModel } = await import(entry.href);
  const create = Llama._create.bind(Llama);
  Llama._create = (options) => create({ ...options, maxThreads: Number(process.env.IAIP_CONTEXTS) });
  const { createContext } = LlamaModel.prototype;
  LlamaModel.prototype.createContext = function (options) {
    return createContext.call(this, { ...options, threads: 1 });
  };
}
