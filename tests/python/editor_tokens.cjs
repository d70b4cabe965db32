// Tokenises Dana files with the engine that VS Code uses. Arguments: the folder that has node_modules, and the grammar.
// Reads a JSON list of texts, writes for each its tokens as [line, text, scopes] and how many rules are open at its end.
const fs = require("fs");
const path = require("path");

const [modules, grammarPath] = process.argv.slice(2);
const load = (name) => require(path.join(path.resolve(modules), "node_modules", name));
const oniguruma = load("vscode-oniguruma");
const textmate = load("vscode-textmate");

async function main() {
  const wasm = path.join(path.dirname(require.resolve(path.resolve(modules, "node_modules", "vscode-oniguruma"))), "onig.wasm");
  await oniguruma.loadWASM(fs.readFileSync(wasm).buffer);
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async (scope) =>
      scope === "source.dana" ? textmate.parseRawGrammar(fs.readFileSync(grammarPath, "utf8"), grammarPath) : null,
  });
  const grammar = await registry.loadGrammar("source.dana");
  const told = JSON.parse(fs.readFileSync(0, "utf8")).map((text) => {
    let stack = textmate.INITIAL;
    const tokens = [];
    text.split(/\r?\n/).forEach((line, number) => {
      const result = grammar.tokenizeLine(line, stack);
      stack = result.ruleStack;
      for (const token of result.tokens) {
        const piece = line.slice(token.startIndex, token.endIndex);
        if (piece.trim()) tokens.push([number + 1, piece, token.scopes.slice(1)]);
      }
    });
    return { tokens, open: stack.depth - 1 };
  });
  process.stdout.write(JSON.stringify(told));
}

main();
