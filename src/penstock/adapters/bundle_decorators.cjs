// Bundles as esbuild's command line does, but lets the workspace's own TypeScript compile the files that use decorators
// under `emitDecoratorMetadata`: what it writes into them comes from types, and esbuild never looks at types.
//
//   node bundle_decorators.cjs ESBUILD_LIBRARY TYPESCRIPT_LIBRARY WORDS_FOR_ESBUILD...
//
// All else stays esbuild's work: modules, what is not used, minifying; also the paths, so that metafile, source maps and
// errors speak of the sources. A file's metadata depends on the types that it reaches, all of them inputs of the recipe.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { SourceMap } = require("node:module");

const [library, typescript, ...words] = process.argv.slice(2);
const esbuild = require(library);
const ts = require(typescript);
const instead = process.env.PENSTOCK_INSTEAD; // sources in the place of what tsc makes of them, as in the bundle

/** What esbuild's API wants to be told, from the words of its command line. */
function understood(words) {
  const options = { entryPoints: [], external: [], loader: {}, alias: {}, banner: {}, define: {} };
  for (const word of words) {
    const [, name, sign, value] = /^--([a-z-]+)(?:([:=])(.*))?$/s.exec(word) || [];
    if (name === undefined) options.entryPoints.push(word);
    else if (name === "external") options.external.push(value);
    else if (sign === ":") options[name][value.slice(0, value.indexOf("="))] = value.slice(value.indexOf("=") + 1);
    else options[camel(name)] = { undefined: true, true: true, false: false }[value] ?? value;
  }
  return options;
}

function camel(name) {
  return name.replace(/-./g, (found) => found[1].toUpperCase());
}

const configs = new Map();

/** The tsconfig.json that counts for a folder, as esbuild finds it; undefined without decorator metadata. */
function configOf(folder) {
  const file = ts.findConfigFile(folder, ts.sys.fileExists);
  if (file === undefined) return undefined;
  if (!configs.has(file)) {
    const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic() {} };
    const { options, fileNames } = ts.getParsedCommandLineOfConfigFile(file, {}, host);
    const wanted = options.emitDecoratorMetadata && options.experimentalDecorators;
    const ambient = fileNames.filter((name) => /\.d\.[cm]?ts$/.test(name));
    configs.set(file, wanted ? { file, ambient, options: emitting(options), programs: new Map() } : undefined);
  }
  return configs.get(file);
}

/** The project's options, but for the newest syntax, in one text with its map: lowering and linking are esbuild's. */
function emitting(options) {
  const target = ts.getEmitScriptTarget ? ts.getEmitScriptTarget(options) : (options.target ?? 0);
  const nodes = options.module >= ts.ModuleKind.Node16 && options.module <= ts.ModuleKind.NodeNext;
  const resolution = nodes ? ts.ModuleResolutionKind.NodeNext : 2; // the one that has had three names
  return {
    ...options,
    target: ts.ScriptTarget.ESNext,
    useDefineForClassFields: options.useDefineForClassFields ?? target >= ts.ScriptTarget.ES2022,
    moduleResolution: options.moduleResolution ?? resolution,
    ...{ inlineSourceMap: true, inlineSources: true, sourceMap: false, sourceRoot: undefined, mapRoot: undefined },
    ...{ importHelpers: false, noEmitHelpers: false, removeComments: false, noEmit: false, noEmitOnError: false },
    ...{ composite: false, incremental: false, tsBuildInfoFile: undefined, declaration: false, declarationMap: false },
    ...{ emitDeclarationOnly: false, declarationDir: undefined, outDir: undefined, outFile: undefined },
    ...(instead ? { paths: { ...options.paths, ...JSON.parse(instead) } } : {}),
    ...{ rootDir: undefined, rootDirs: options.rootDirs, rewriteRelativeImportExtensions: false },
  };
}

/** A program that has the file. Its other files do not depend on what was asked before, so neither do the bytes. */
function programOf(config, file, module, entries) {
  const known = config.programs.get(module);
  if (known !== undefined && known.base.getSourceFile(file)) return known.base;
  const own = entries.filter((entry) => configOf(path.dirname(entry)) === config);
  const options = { ...config.options, module };
  const base = known ? known.base : ts.createProgram([...config.ambient, ...own], options);
  const all = known ? known.all : [base];
  config.programs.set(module, { base, all });
  if (base.getSourceFile(file)) return base;
  all.push(ts.createProgram([...config.ambient, ...own, file], options, undefined, base));
  return all.at(-1);
}

function decorated(node) {
  return node.kind === ts.SyntaxKind.Decorator || ts.forEachChild(node, decorated) === true ? true : undefined;
}

/** Whether a source says `import x = require()` or `export =`, which only CommonJS can. */
function commonjs(source) {
  const { ImportEqualsDeclaration, ExternalModuleReference, ExportAssignment } = ts.SyntaxKind;
  return source.statements.some(
    (one) =>
      (one.kind === ImportEqualsDeclaration && one.moduleReference.kind === ExternalModuleReference) ||
      (one.kind === ExportAssignment && one.isExportEquals === true),
  );
}

const made = new Map();

/** The file as TypeScript compiles it; undefined when that is nothing but esbuild's own work. */
function compiled(file, entries) {
  const text = fs.readFileSync(file, "utf8");
  const config = text.includes("@") ? configOf(path.dirname(file)) : undefined;
  if (config === undefined) return undefined;
  const { ESNext, CommonJS } = ts.ModuleKind;
  let program = programOf(config, file, ESNext, entries);
  let source = program.getSourceFile(file);
  if (source === undefined || decorated(source) !== true || program.getSyntacticDiagnostics(source).length > 0) {
    return undefined; // of a syntax error esbuild tells
  }
  if (commonjs(source)) {
    program = programOf(config, file, CommonJS, entries);
    source = program.getSourceFile(file);
  }
  let contents;
  program.emit(source, (_, emitted) => (contents = emitted));
  if (contents !== undefined) made.set(path.resolve(file), { contents, text });
  return contents;
}

/** Errors of compiled files with the places of their sources. */
function placed(messages) {
  for (const { location } of messages) {
    const known = location && made.get(path.resolve(location.file));
    if (!known) continue;
    const map = known.contents.slice(known.contents.lastIndexOf("base64,") + "base64,".length);
    const entry = new SourceMap(JSON.parse(Buffer.from(map, "base64").toString())).findEntry(
      location.line - 1,
      location.column,
    );
    if (entry.originalLine === undefined) continue;
    const lineText = known.text.split(/\r?\n/)[entry.originalLine] ?? "";
    Object.assign(location, { line: entry.originalLine + 1, column: entry.originalColumn, length: 0, lineText });
  }
  return messages;
}

/** Files of the workspace that the types come from, as inputs that are not bundled. */
function typed() {
  const found = {};
  for (const { programs } of [...configs.values()].filter(Boolean)) {
    for (const program of [...programs.values()].flatMap(({ all }) => all)) {
      for (const { fileName } of program.getSourceFiles()) {
        const place = path.relative(process.cwd(), fileName).split(path.sep).join("/");
        const outside = place.startsWith("..") || path.isAbsolute(place) || place.includes("node_modules/");
        if (!outside) found[`types:${place}`] = { bytes: 0, imports: [] };
      }
    }
  }
  return found;
}

async function told(messages, kind) {
  const texts = await esbuild.formatMessages(placed(messages), { kind, color: false });
  process.stderr.write(texts.join(""));
}

async function main() {
  const { metafile, color, ...options } = understood(words);
  const entries = options.entryPoints.map((entry) => path.resolve(entry));
  const plugin = {
    name: "decorators",
    setup(build) {
      build.onLoad({ filter: /\.[cm]?tsx?$/, namespace: "file" }, ({ path: file }) => {
        if (file.includes("/node_modules/")) return undefined; // no tsconfig counts there
        const contents = compiled(file, entries);
        return contents === undefined ? undefined : { contents, loader: file.endsWith("x") ? "jsx" : "js" };
      });
    },
  };
  try {
    const result = await esbuild.build({ ...options, logLevel: "silent", metafile: true, plugins: [plugin] });
    await told(result.warnings, "warning");
    Object.assign(result.metafile.inputs, typed());
    fs.writeFileSync(metafile, JSON.stringify(result.metafile));
  } catch (error) {
    if (!Array.isArray(error.errors)) throw error;
    await told(error.errors, "error");
    process.exitCode = 1;
  }
}

main();
