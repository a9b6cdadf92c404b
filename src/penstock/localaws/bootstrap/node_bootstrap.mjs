// The Node.js runtime of the embedded AWS. Same protocol as python_bootstrap.py: JSON lines, in and out on
// the two descriptors given; standard output and error are the function's log; the first one closed: the server is gone.
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import readline from "node:readline";

const commands = new net.Socket({ fd: Number(process.argv[2]), readable: true, writable: false });
commands.on("close", () => process.exit(0));
commands.on("error", () => process.exit(0));
const lines = readline.createInterface({ input: commands, crlfDelay: Infinity });
lines.on("close", () => process.exit(0));

const answer = (message) => {
  const bytes = Buffer.from(JSON.stringify(message) + "\n");
  for (let at = 0; at < bytes.length; ) {
    try {
      at += fs.writeSync(Number(process.argv[3]), bytes, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
};

const failure = (error, type) => {
  const isError = error instanceof Error;
  return {
    errorType: type ?? (isError ? error.name : typeof error),
    errorMessage: isError ? error.message : String(error),
    trace: isError && error.stack ? error.stack.split("\n") : [],
  };
};

class HandlerNotFound extends Error {}
class MalformedHandlerName extends Error {}

// As aws-lambda-ric does it: all up to the first dot of the last part is the module, the rest a path in what it exports.
const load = async (root, handler) => {
  const dot = handler.indexOf(".", handler.lastIndexOf("/") + 1);
  if (dot < 0 || handler.includes("..")) throw new MalformedHandlerName(`${handler} is not a module, a dot and an export`);
  const module = await moduleAt(root, handler.slice(0, dot));
  const value = handler.slice(dot + 1).split(".").reduce((object, key) => object?.[key], module);
  if (typeof value !== "function") throw new HandlerNotFound(`${handler} is undefined, not exported or not a function`);
  return value;
};

const moduleAt = async (root, name) => {
  const file = path.resolve(root, name);
  const require = createRequire(pathToFileURL(file));
  const isEsm = fs.existsSync(`${file}.js`) && isOfEsModules(path.dirname(file));
  const found = ["", ".js", ".mjs", ".cjs"].map((end) => file + end).find((place) => fs.existsSync(place));
  if (!found) return require(require.resolve(path.basename(name), { paths: [root, path.dirname(file)] }));
  return found.endsWith(".mjs") || (isEsm && found === `${file}.js`) ? import(pathToFileURL(found).href) : require(found);
};

const isOfEsModules = (folder) => {
  const manifest = path.join(folder, "package.json");
  if (fs.existsSync(manifest)) return JSON.parse(fs.readFileSync(manifest, "utf8")).type === "module";
  return path.dirname(folder) !== folder && isOfEsModules(path.dirname(folder));
};

const context = (call, done) => ({
  awsRequestId: call.request_id,
  callbackWaitsForEmptyEventLoop: true,
  clientContext: undefined,
  functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
  functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
  identity: undefined,
  invokedFunctionArn: call.arn,
  logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
  logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
  memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
  getRemainingTimeInMillis: () => Math.max(0, Math.round(call.deadline * 1000 - Date.now())),
  done,
  fail: (error) => done(error ?? new Error("handler failed")),
  succeed: (result) => done(null, result),
});

const run = (handler, call) =>
  new Promise((resolve, reject) => {
    const done = (error, result) => (error ? reject(error) : resolve(result));
    const returned = handler(call.event, context(call, done), done);
    if (returned && typeof returned.then === "function") returned.then(resolve, reject);
    else if (returned !== undefined) resolve(returned);
    else if (handler.length < 3) resolve(undefined);
  });

let handler;
process.on("uncaughtException", (error) => {
  console.error(error);
  answer({ error: failure(error, "Runtime.UnhandledPromiseRejection") });
  process.exit(129);
});

for await (const line of lines) {
  const call = JSON.parse(line);
  if (call.handler !== undefined) {
    try {
      handler = await load(call.task_root, call.handler);
      answer({ ready: true });
    } catch (error) {
      const type =
        error instanceof HandlerNotFound ? "Runtime.HandlerNotFound"
        : error instanceof MalformedHandlerName ? "Runtime.MalformedHandlerName"
        : error?.code === "MODULE_NOT_FOUND" ? "Runtime.ImportModuleError" // not ERR_MODULE_NOT_FOUND, that of import
        : error instanceof SyntaxError ? "Runtime.UserCodeSyntaxError"
        : undefined;
      console.error(error);
      answer({ init_error: failure(error, type) });
      process.exit(1);
    }
    continue;
  }
  process.env._X_AMZN_TRACE_ID = call.trace_id;
  try {
    const result = await run(handler, call);
    answer({ result: result === undefined ? null : result });
  } catch (error) {
    console.error(error);
    answer({ error: failure(error) });
  }
}
