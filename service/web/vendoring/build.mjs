// Builds ../static/vendor anew from the versions in package-lock.json: `npm ci --ignore-scripts && node node_modules/esbuild/install.js && npm run build`.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const out = "../static/vendor";
mkdirSync(out, { recursive: true });
await build({ entryPoints: ["editor.js"], bundle: true, minify: true, format: "esm", target: "es2020", outdir: out, charset: "ascii", legalComments: "eof" });
copyFileSync("node_modules/htmx.org/dist/htmx.min.js", `${out}/htmx.js`);

const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
const files = ["editor.js", "htmx.js"].map((name) => [name, createHash("sha256").update(readFileSync(`${out}/${name}`)).digest("hex")]);
const licences = Object.fromEntries(Object.keys(dependencies).map((name) => [name, JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8")).license]));
writeFileSync(`${out}/vendor.json`, `${JSON.stringify({ files: Object.fromEntries(files), versions: dependencies, licences }, null, 2)}\n`);
