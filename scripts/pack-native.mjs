// The platform package: every addon of this workspace as built here, in one package that npm installs where it fits.
//
//   node scripts/pack-native.mjs --out DIR            writes @qlora/native-<platform>-<arch> to DIR (after `pnpm build`)
//   node scripts/pack-native.mjs --link TARGETS DIR…  names the platform packages (linux-x64,…) of the same version as
//                                                     optionalDependencies in the package.json of each DIR, before publishing
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values, positionals } = parseArgs({
  options: { out: { type: "string" }, link: { type: "string" } },
  allowPositionals: true,
});

if (values.out !== undefined) assemble(values.out);
else if (values.link !== undefined && positionals.length > 0)
  for (const folder of positionals) link(folder, values.link.split(","));
else {
  console.error("Usage: pack-native.mjs --out DIR | --link linux-x64[,…] PACKAGE…");
  process.exitCode = 2;
}

function assemble(out) {
  const target = `${process.platform}-${process.arch}`;
  const addons = readdirSync(join(root, "packages")).filter((name) => existsSync(addonOf(name)));
  if (addons.length === 0) throw new Error("no packages/*/build/Release/*.node here: build first");
  const manifest = {
    name: `@qlora/native-${target}`,
    version: manifestOf(join(root, "packages", addons[0])).version,
    description: `The native addons of the @qlora packages for ${target}`,
    license: "MIT",
    os: [process.platform],
    cpu: [process.arch],
    ...(process.platform === "linux" && {
      libc: [process.report.getReport().header.glibcVersionRuntime ? "glibc" : "musl"],
    }),
    files: ["*.node"],
  };
  mkdirSync(out, { recursive: true });
  for (const name of addons) copyFileSync(addonOf(name), join(out, `${name}.node`));
  copyFileSync(join(root, "LICENSE"), join(out, "LICENSE"));
  writeFileSync(
    join(out, "README.md"),
    `# ${manifest.name}\n\n${manifest.description}: ${addons.join(", ")}. The packages load it themselves.\n`,
  );
  writeFileSync(join(out, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  console.log(`${manifest.name}@${manifest.version}: ${addons.join(", ")}`);
}

function link(folder, targets) {
  const manifest = manifestOf(folder);
  manifest.optionalDependencies = {
    ...manifest.optionalDependencies,
    ...Object.fromEntries(targets.map((target) => [`@qlora/native-${target}`, manifest.version])),
  };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

function addonOf(name) {
  return join(root, "packages", name, "build", "Release", `${name}.node`);
}

function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}
