// One search engine: real QMD 2.8.3 through its SDK, its models loaded once.
// Requests are JSON lines on stdin, begun as they come and answered in order by JSON lines on stdout; the
// last line of each answer is "finished" or "broke". Whoever sends several `ask` ahead has them done side by
// side; every other request is sent alone. The process ends with its parent, when stdin closes.

import { AsyncLocalStorage } from "node:async_hooks";
import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// QMD redirects process.stdout while it loads native code; answers must not go astray with it.
const write = process.stdout.write.bind(process.stdout);
const reply = (type, fields = {}) => write(`${JSON.stringify({ type, ...fields })}\n`);

const load = (directory, file) => import(pathToFileURL(`${directory}/${file}`).href);

let store;
let llm;
const asked = new AsyncLocalStorage(); // what came of the query that is being answered

const operations = {
  // Opens the index with the owner's collections and with these models. `files` maps every model that is
  // named to its checked file on this machine, `none` stands for a model that is not here.
  async open({ qmd, nodeLlamaCpp, configuration, index, models, files, seed }) {
    const { createStore } = await load(qmd, "dist/index.js");
    const { setConfigSource, loadConfig } = await load(qmd, "dist/collections.js");
    const { setDefaultLlamaCpp } = await load(qmd, "dist/llm.js");
    setConfigSource({ configPath: configuration });
    const owned = loadConfig();
    setConfigSource(undefined);
    // An inline configuration: QMD never writes the owner's file.
    store = await createStore({ dbPath: index, config: { ...owned, models } });
    llm = store.internal.llm;
    // QMD cuts passages with the default instance's tokenizer: it must be this one.
    setDefaultLlamaCpp(llm);
    neverDownload(files);
    failAloud();
    rememberExpansions();
    await repeatable(nodeLlamaCpp, seed);
    return {};
  },

  // Reads the collections' folders again. A folder that cannot be read keeps its documents.
  async update() {
    const collections = await store.listCollections();
    const unread = [];
    for (const { name, pwd } of collections) {
      try {
        readdirSync(pwd);
        await store.update({ collections: [name] });
        reply("progress", { done: 0, total: 0 });
      } catch (error) {
        if (isLocked(error)) throw error;
        unread.push(`${name} (${error.code ?? error.message})`);
      }
    }
    return { unread };
  },

  // Embeds what has no vector. The model must work before any vector is dropped.
  async embed({ afresh }) {
    await llm.embed("ready");
    if (afresh) store.internal.clearAllEmbeddings();
    const total = store.internal.getHashesNeedingEmbedding();
    const pending = () => store.internal.getHashesNeedingEmbedding();
    const onProgress = () => reply("progress", { done: total - pending(), total });
    // One call of QMD ends after 30 minutes, finished or not.
    for (let before = Infinity, left = total; left > 0 && left < before; left = pending()) {
      before = left;
      await store.embed({ onProgress });
    }
    return {};
  },

  // Empties the caches and loads what `how` needs, so that no query pays for it.
  async prepare({ how }) {
    store.internal.deleteLLMCache();
    if (how !== "lexical") await llm.embed("ready");
    if (how === "hybrid") await llm.ensureGenerateModel();
    return {};
  },

  async ask({ how, text, limit }) {
    const query = text.replace(/\s+/g, " ").trim();
    const heard = { expansion: [] };
    const started = performance.now();
    const results = await asked.run(heard, () => searches[how](query, limit));
    const milliseconds = performance.now() - started;
    const { expansion } = heard;
    return {
      documents: results.map((result) => (result.file ?? result.filepath).replace(/^qmd:\/\//, "")),
      milliseconds,
      expansion: expansion.filter((line) => line.text !== query).map((line) => `${line.type}: ${line.text}`),
      fell_back: isFallback(expansion, query),
    };
  },
};

const searches = {
  lexical: (query, limit) => store.searchLex(query, { limit }),
  vector: (query, limit) => store.searchVector(query, { limit }),
  plain: (query, limit) =>
    store.search({
      queries: [
        { type: "lex", query: withoutOpenQuote(query) },
        { type: "vec", query: withoutNegation(query) },
      ],
      rerank: false,
      limit,
    }),
  hybrid: (query, limit) => store.search({ query, rerank: false, limit }),
};

// QMD refuses a structured query with an unmatched quote in its lex line or a negation in its vec line.
function withoutOpenQuote(query) {
  return (query.match(/"/g) ?? []).length % 2 ? query.replaceAll('"', " ") : query;
}

function withoutNegation(query) {
  return query.replace(/(^|\s)-(?=[\w"])/g, "$1");
}

// QMD looks models up on the network and deletes files that it finds invalid: neither can happen here.
function neverDownload(files) {
  llm.resolveModel = async (uri) => {
    if (!files[uri]) throw new Error(`the model ${uri} is not on this machine`);
    return files[uri];
  };
  const ensureLlama = llm.ensureLlama.bind(llm);
  llm.ensureLlama = () => ensureLlama(false);
}

// QMD answers with fewer results when a text cannot be embedded; a measurement must fail instead.
function failAloud() {
  const embed = llm.embed.bind(llm);
  const embedBatch = llm.embedBatch.bind(llm);
  llm.embed = async (...given) => whole(await embed(...given));
  llm.embedBatch = async (...given) => (await embedBatch(...given)).map(whole);
}

function whole(embedding) {
  if (!embedding) throw new Error("the embedding model gave no vector");
  return embedding;
}

function rememberExpansions() {
  const expandQuery = llm.expandQuery.bind(llm);
  llm.expandQuery = async (...given) => {
    const expansion = await expandQuery(...given);
    asked.getStore().expansion = expansion;
    return expansion;
  };
}

// The lines that QMD puts in place of an expansion it could not use or could not get.
function isFallback(lines, query) {
  const texts = lines.map((line) => `${line.type}: ${line.text}`).join("\n");
  const own = `lex: ${query}\nvec: ${query}`;
  return texts === own || texts === `hyde: Information about ${query}\n${own}`;
}

// QMD samples expansions; with a seed the same model gives the same expansion.
async function repeatable(nodeLlamaCpp, seed) {
  const { LlamaChatSession } = await load(nodeLlamaCpp, "dist/index.js");
  const prompt = LlamaChatSession.prototype.prompt;
  LlamaChatSession.prototype.prompt = function seeded(text, options) {
    return prompt.call(this, text, { seed, ...options });
  };
}

function isLocked(error) {
  return /SQLITE_BUSY|database is locked/.test(`${error?.code} ${error?.message}`);
}

async function perform(line) {
  try {
    const { op, ...given } = JSON.parse(line);
    return ["finished", await operations[op](given)];
  } catch (error) {
    return ["broke", { message: String(error?.message ?? error), locked: isLocked(error) }];
  }
}

const requests = createInterface({ input: process.stdin });
let turn = Promise.resolve();
let busy = 0;
requests.on("line", (line) => {
  busy++;
  const done = perform(line);
  turn = turn.then(async () => {
    reply(...(await done));
    busy--;
  });
});
requests.on("close", () => {
  if (!busy) store?.internal.close(); // leaves one file, without a write-ahead log beside it
  process.exit(0);
});
