// Asks a GGUF what it computes, by the very node-llama-cpp that QMD loads.
//
// One request as JSON on stdin: {library, gguf, answers, task, texts, sequences}.
// The answers go as JSON lines into the file `answers`: native code prints to stdout as it likes.
//   embed     one line a text: {tokens, vector}, tokens and vector as QMD's own embedding call makes them
//   serve     one line a text: {prompt}, the tokens of the whole prompt that a chat session (QMD's way
//             to ask a generative model) makes of the text as a user's message
//   continue  one line a sequence {tokens, start}: {next}, the likeliest next token after each of
//             tokens[start], tokens[start + 1], ..., given all tokens before it
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const request = JSON.parse(readFileSync(0, "utf8"));
const fromLibrary = (path) => import(pathToFileURL(join(request.library, "dist", path)).href);
const { getLlama, LlamaChatSession, LlamaLogLevel } = await fromLibrary("index.js");
const { tokenizeInput } = await fromLibrary("utils/tokenizeInput.js");
const { resolveBeginningTokenToPrepend, resolveEndTokenToAppend } = await fromLibrary("utils/tokenizerUtils.js");

const answer = (value) => appendFileSync(request.answers, JSON.stringify(value) + "\n");

/** The tokens that LlamaEmbeddingContext.getEmbeddingFor feeds the model for a text. */
function embeddedTokens(model, text) {
    const tokens = tokenizeInput(text, model.tokenizer, undefined, true);
    const first = resolveBeginningTokenToPrepend(model.vocabularyType, model.tokens);
    const last = resolveEndTokenToAppend(model.vocabularyType, model.tokens);
    if (first != null && tokens[0] !== first) tokens.unshift(first);
    if (last != null && tokens.at(-1) !== last) tokens.push(last);
    return tokens;
}

async function embed(model) {
    const tokens = request.texts.map((text) => embeddedTokens(model, text));
    // With not one place left free, node-llama-cpp shifts the context and drops half of the text.
    const contextSize = Math.max(...tokens.map((list) => list.length)) + 8;
    const context = await model.createEmbeddingContext({ contextSize, threads: 1 });
    for (const [index, text] of request.texts.entries()) {
        const { vector } = await context.getEmbeddingFor(text);
        answer({ tokens: tokens[index], vector });
    }
}

async function serve(model) {
    const context = await model.createContext({ contextSize: 256, threads: 1 });
    const session = new LlamaChatSession({ contextSequence: context.getSequence() });
    for (const text of request.texts) {
        const chatHistory = [
            ...session.getChatHistory(),
            { type: "user", text },
            { type: "model", response: [] },
        ];
        const { contextText } = session.chatWrapper.generateContextState({ chatHistory });
        answer({ prompt: contextText.tokenize(model.tokenizer) });
    }
}

async function continueSequences(model) {
    const longest = Math.max(...request.sequences.map(({ tokens }) => tokens.length));
    const context = await model.createContext({ contextSize: longest + 8, threads: 1 });
    const sequence = context.getSequence();
    const generateNext = { token: true, options: { temperature: 0 } };
    for (const { tokens, start } of request.sequences) {
        await sequence.clearHistory();
        const input = tokens.map((token, index) => (index < start ? token : [token, { generateNext }]));
        const output = await sequence.controlledEvaluate(input);
        answer({ next: tokens.slice(start).map((_, index) => output[start + index]?.next.token ?? -1) });
    }
}

async function main() {
    const llama = await getLlama({
        build: "never",
        gpu: process.platform === "darwin" ? "auto" : false,
        logLevel: LlamaLogLevel.error,
        // ggml's spin barriers collapse when anything else uses the processor.
        maxThreads: 1,
        progressLogs: false,
        skipDownload: true,
    });
    const model = await llama.loadModel({ modelPath: request.gguf });
    const tasks = { embed, serve, continue: continueSequences };
    await tasks[request.task](model);
    await llama.dispose();
}

await main().catch((error) => {
    console.error(error.message);
    process.exit(1);
});
