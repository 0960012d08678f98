//! Node: Express, Fastify, Next and their like.

use serde_json::Value;

use crate::commands::init::folder::{Folder, Source};
use crate::commands::init::proposal::Proposal;
use crate::commands::init::source::{self, Port};

/// Frameworks that are started by a program of their own: the package, its name, the command, and what is to be done
/// before it. All of them take the port so.
const STARTED: [Started; 6] = [
    Started {
        package: "next",
        name: "Next.js",
        command: "node_modules/.bin/next start -H 127.0.0.1 -p $PORT",
        hosted: false,
    },
    Started {
        package: "nuxt",
        name: "Nuxt",
        command: "node .output/server/index.mjs",
        hosted: true,
    },
    Started {
        package: "@remix-run/serve",
        name: "Remix",
        command: "node_modules/.bin/remix-serve ./build/server/index.js",
        hosted: true,
    },
    Started {
        package: "@react-router/serve",
        name: "React Router",
        command: "node_modules/.bin/react-router-serve ./build/server/index.js",
        hosted: true,
    },
    Started {
        package: "@sveltejs/adapter-node",
        name: "SvelteKit",
        command: "node build",
        hosted: true,
    },
    Started {
        package: "@astrojs/node",
        name: "Astro",
        command: "node ./dist/server/entry.mjs",
        hosted: true,
    },
];

/// Frameworks whose service starts itself, and their names.
const STARTING: [(&str, &str); 7] = [
    ("@nestjs/core", "NestJS"),
    ("express", "Express"),
    ("fastify", "Fastify"),
    ("koa", "Koa"),
    ("@hapi/hapi", "hapi"),
    ("hono", "Hono"),
    ("ws", "WebSockets (ws)"),
];

/// Where a service begins that does not say so.
const ENTRIES: [&str; 8] = [
    "server.js",
    "app.js",
    "index.js",
    "main.js",
    "server.mjs",
    "src/server.js",
    "src/index.js",
    "src/app.js",
];

const CURE: &str =
    "process.env.PORT (and 127.0.0.1), and use a fixed port only where that is not set";

struct Started {
    package: &'static str,
    name: &'static str,
    command: &'static str,
    /// Whether it takes the address from `HOST`.
    hosted: bool,
}

pub(super) fn find(folder: &dyn Folder) -> Option<Proposal> {
    let package: Value = match folder.text("package.json") {
        Some(text) => serde_json::from_str(&text).ok()?,
        None => Value::Null,
    };
    let version = package["version"].as_str().map(str::to_owned);
    let found = started(&package).or_else(|| starting(folder, &package))?;
    let found = if package.is_null() { found } else { found.seen("package.json") };
    Some(found.version(version).key(
        "env = { NODE_ENV = \"production\" }",
        "Frameworks are faster with it, and show no errors to clients.",
    ))
}

/// Why a package.json that is there says nothing.
pub(super) fn passed_over(folder: &dyn Folder) -> Option<String> {
    let text = folder.text("package.json")?;
    Some(match serde_json::from_str::<Value>(&text) {
        Err(error) => format!("package.json cannot be read: {error}"),
        Ok(_) => "package.json has no start script, and no file beside it that listens".to_owned(),
    })
}

fn needs(package: &Value, name: &str) -> bool {
    package["dependencies"].get(name).is_some()
}

fn started(package: &Value) -> Option<Proposal> {
    let found = STARTED.iter().find(|it| needs(package, it.package))?;
    let proposal =
        Proposal::command(found.name, found.command, format!("As {} is served.", found.name));
    let proposal = proposal.caution("build it before it starts: npm ci && npm run build");
    Some(match found.hosted {
        true => proposal.caution("it listens on every address of this machine unless HOST says otherwise: \
                                  add HOST = \"127.0.0.1\" to env where clients could reach it past Plimsoll"),
        false => proposal,
    })
}

fn starting(folder: &dyn Folder, package: &Value) -> Option<Proposal> {
    let name = STARTING.iter().find(|(dependency, _)| needs(package, dependency));
    let name = name.map_or("Node", |(_, name)| name);
    let scripts = &package["scripts"];
    let script = scripts["start:prod"].as_str().or(scripts["start"].as_str());
    let (command, entry, why) = match script {
        Some(script) => by_script(folder, script),
        None => {
            let main = package["main"].as_str().filter(|main| folder.has(main));
            // A library has an entry, too, but nothing that serves.
            let entry =
                ENTRIES.into_iter().find(|it| folder.text(it).is_some_and(|it| serves(&it)));
            let entry =
                main.filter(|it| folder.text(it).is_some_and(|it| serves(&it))).or(entry)?;
            (format!("node {entry}"), Some(entry.to_owned()), format!("{entry} serves."))
        }
    };
    let sources = sources(folder, entry.as_deref());
    let port = source::port(
        &sources,
        &["env.PORT", "env[\"PORT\"]", "env['PORT']"],
        &["listen(", "port = ", "PORT = ", "port: "],
    );
    let mut proposal = Proposal::command(name, command, why).health(source::health(&sources));
    if let Some(entry) = entry {
        proposal = proposal.seen(entry);
    }
    if let Port::Read { path } = &port {
        proposal = proposal.seen(path.clone());
    }
    let proposal = source::caution(&port, CURE).into_iter().fold(proposal, Proposal::caution);
    let is_built = folder.has("tsconfig.json") && script.is_some_and(|it| it.contains("dist/"));
    let has_dependencies = package["dependencies"].as_object().is_some_and(|it| !it.is_empty());
    Some(match (is_built, has_dependencies && !folder.has_dir("node_modules")) {
        (true, _) => proposal.caution("build it before it starts: npm ci && npm run build"),
        (false, true) => proposal.caution("install what it needs before it starts: npm ci"),
        (false, false) => proposal,
    })
}

/// The command that a script of package.json is: without npm where no shell is needed, since npm costs each
/// instance a process, and more time.
fn by_script(folder: &dyn Folder, script: &str) -> (String, Option<String>, String) {
    let words: Vec<&str> = script.split_whitespace().collect();
    let is_plain = !script.contains(['$', '&', '|', ';', '>', '<', '`', '*', '~', '=', '"', '\'']);
    match words.as_slice() {
        ["node", rest @ ..] if is_plain => {
            let entry =
                rest.iter().find(|word| !word.starts_with('-')).map(|it| resolved(folder, it));
            let why = "The start script of package.json, without npm, which costs each instance a process.";
            (script.to_owned(), entry, why.to_owned())
        }
        _ => {
            let why = format!("The start script of package.json: {script}");
            ("npm start".to_owned(), None, why)
        }
    }
}

/// The file that node starts for this word.
fn resolved(folder: &dyn Folder, word: &str) -> String {
    let plain = word.trim_start_matches("./");
    let all = [plain.to_owned(), format!("{plain}.js"), format!("{plain}/index.js")];
    all.into_iter().find(|path| folder.has(path)).unwrap_or_else(|| plain.to_owned())
}

fn serves(text: &str) -> bool {
    ["listen(", "createServer(", "serve("].iter().any(|word| text.contains(word))
}

/// The sources, the one that it begins with first.
fn sources(folder: &dyn Folder, entry: Option<&str>) -> Vec<Source> {
    let mut all = folder
        .sources(&["", "src", "routes", "src/routes", "bin"], &[".js", ".mjs", ".cjs", ".ts"]);
    if let Some(path) = entry {
        all.retain(|source| source.path != path);
        if let Some(text) = folder.text(path) {
            all.insert(0, Source { path: path.to_owned(), text });
        }
    }
    all
}
