//! Python: Django, Flask, FastAPI.

use crate::commands::init::folder::{Folder, Source};
use crate::commands::init::proposal::{Health, Proposal};
use crate::commands::init::source;

/// Where the libraries are named that a service needs.
const NEEDS: [&str; 6] = [
    "requirements.txt",
    "pyproject.toml",
    "Pipfile",
    "setup.py",
    "setup.cfg",
    "requirements/base.txt",
];
/// Where an application may be, before all others.
const ENTRIES: [&str; 6] = ["app.py", "main.py", "wsgi.py", "asgi.py", "server.py", "api.py"];

/// Directories that hold no service.
const OTHERS: [&str; 8] =
    ["tests", "test", "docs", "examples", "scripts", "venv", "env", "node_modules"];

/// A directory with a service.
struct Room<'a> {
    folder: &'a dyn Folder,
    /// Everything that names libraries.
    needs: String,
    /// Which file did, first.
    named_in: Option<&'static str>,
}

pub(super) fn find(folder: &dyn Folder) -> Option<Proposal> {
    let texts: Vec<_> = NEEDS.iter().filter_map(|it| Some((*it, folder.text(it)?))).collect();
    let needs: String = texts.iter().map(|(_, text)| text.to_lowercase() + "\n").collect();
    let room = Room { folder, needs, named_in: texts.first().map(|(name, _)| *name) };
    let found = room.django().or_else(|| room.fastapi()).or_else(|| room.flask())?;
    let found = found.version(version(folder));
    Some(match room.named_in {
        Some(file) => found.seen(file),
        None => found,
    })
}

/// The version of the project, where pyproject.toml has it.
fn version(folder: &dyn Folder) -> Option<String> {
    let project: toml::Table = folder.text("pyproject.toml")?.parse().ok()?;
    let poetry = || project.get("tool")?.get("poetry")?.get("version");
    let version = project.get("project").and_then(|it| it.get("version")).or_else(poetry)?;
    version.as_str().map(str::to_owned)
}

impl Room<'_> {
    fn django(&self) -> Option<Proposal> {
        let manage = self.folder.text("manage.py").unwrap_or_default();
        let (settings, seen) = match quoted_after(&manage, "DJANGO_SETTINGS_MODULE") {
            Some(settings) => (settings, "manage.py".to_owned()),
            None => self.without_manage()?,
        };
        let package = settings.split('.').next().unwrap_or(&settings).to_owned();
        let has_asgi_only = self.needs.contains("uvicorn") && !self.needs.contains("gunicorn");
        let proposal = if has_asgi_only {
            self.uvicorn("Django", &Place::of_module(format!("{package}.asgi:application")))
        } else if self.has("gunicorn") {
            self.gunicorn("Django", &Place::of_module(format!("{package}.wsgi")))
        } else {
            let python = self.python();
            let command = format!("{python} manage.py runserver --noreload 127.0.0.1:$PORT");
            let why = "Django's own server, which is meant for development.";
            Proposal::command("Django", command, why).caution(format!(
                "Django's own server is for development: pip install gunicorn, and \
                 command = \"gunicorn {package}.wsgi --bind 127.0.0.1:$PORT\""
            ))
        };
        let files = settings.replace('.', "/");
        let settings = self.folder.text(&format!("{files}.py"));
        let settings = settings.or_else(|| self.folder.text(&format!("{files}/base.py")));
        Some(proposal.seen(seen).health(self.django_health(&package, settings.as_deref())))
    }

    /// The settings of a project without a manage.py, and the file that names them.
    fn without_manage(&self) -> Option<(String, String)> {
        self.folder.dirs("").into_iter().find_map(|dir| {
            let path = format!("{dir}/wsgi.py");
            let text = self.folder.text(&path).filter(|it| it.contains("get_wsgi_application"))?;
            let settings = quoted_after(&text, "DJANGO_SETTINGS_MODULE");
            Some((settings.unwrap_or_else(|| format!("{dir}.settings")), path))
        })
    }

    /// A path of the first urls.py, and the host that it is asked with: Django refuses hosts that it does not know.
    fn django_health(&self, package: &str, settings: Option<&str>) -> Health {
        let path = format!("{package}/urls.py");
        let urls = without_prose(&self.folder.text(&path).unwrap_or_default());
        let routes = ["healthz", "health", "ready", "up", "ping", "status"];
        let is_there = |name: &&str| {
            ["path(\"", "path('"].iter().any(|call| {
                urls.split(call).skip(1).any(|rest| {
                    rest.split(['"', '\''])
                        .next()
                        .is_some_and(|it| it.trim_end_matches('/') == *name)
                })
            })
        };
        let slash = |name: &str| if urls.contains(&format!("{name}/")) { "/" } else { "" };
        let mut health = match routes.iter().find(|name| is_there(name)) {
            Some(name) => Health::path(format!("/{name}{}", slash(name)), format!("In {path}.")),
            None if is_there(&"") => Health::path("/", format!("The front page, in {path}.")),
            None if urls.contains("admin.site.urls") => Health::path(
                "/admin/login/",
                format!(
                    "The only page that {path} is known to serve. A path of your own says more."
                ),
            ),
            None => Health::connection(),
        };
        let hosts = settings.and_then(|text| text.split_once("ALLOWED_HOSTS"));
        let hosts = hosts.and_then(|(_, rest)| rest.split_once('[')?.1.split_once(']'));
        let first = hosts.map(|(list, _)| list).and_then(|list| list.split(['"', '\'']).nth(1));
        match first.map(|host| host.trim_start_matches('.')) {
            Some("" | "*" | "localhost" | "127.0.0.1") | None => health,
            Some(host) => {
                if health.path.is_some() {
                    health.host = Some(host.to_owned());
                    health
                        .why
                        .push_str(" Django responds 400 to hosts that are not in ALLOWED_HOSTS.");
                }
                health
            }
        }
    }

    fn fastapi(&self) -> Option<Proposal> {
        let app = self.application(&["FastAPI(", "Starlette(", "Litestar("])?;
        let name = if app.text.contains("FastAPI(") { "FastAPI" } else { "ASGI" };
        let place = app.place(&["FastAPI(", "Starlette(", "Litestar("]);
        let health = source::health(&self.sources());
        Some(self.uvicorn(name, &place).seen(app.path).health(health))
    }

    fn flask(&self) -> Option<Proposal> {
        let app = self.application(&["Flask(", "Bottle("])?;
        let place = app.place(&["Flask(", "Bottle("]);
        let module = place.for_flask();
        let health = source::health(&self.sources());
        let proposal = match self.has("gunicorn") {
            true => self.gunicorn("Flask", &place),
            false => {
                let python = self.python();
                let command =
                    format!("{python} -m flask --app {module} run --host 127.0.0.1 --port $PORT");
                let why = "Flask's own server, which is meant for development.";
                Proposal::command("Flask", command, why).caution(format!(
                    "Flask's own server is for development: pip install gunicorn, and \
                     command = \"gunicorn {} --bind 127.0.0.1:$PORT\"",
                    place.with("--pythonpath")
                ))
            }
        };
        Some(proposal.seen(app.path).health(health))
    }

    fn gunicorn(&self, name: &str, place: &Place) -> Proposal {
        let (program, place) = (self.program("gunicorn"), place.with("--pythonpath"));
        let stop = "gunicorn's master stops its workers itself, and gives their requests its graceful timeout.";
        let keep = "gunicorn closes idle connections after that long, unannounced; Plimsoll closes them first.";
        let proposal = match self.folder.has("gunicorn.conf.py") {
            true => {
                let why = "Port, workers and timeouts are gunicorn.conf.py's.";
                let proposal = Proposal::command(name, format!("{program} {place}"), why)
                    .seen("gunicorn.conf.py");
                let settings = self.folder.text("gunicorn.conf.py").unwrap_or_default();
                let is_fixed = settings.contains("bind") && !settings.contains("PORT");
                // What gunicorn does unless it is told otherwise.
                let kept = source::number_after(&settings, "keepalive").unwrap_or(2);
                let idle = kept.saturating_sub(1).clamp(1, 50);
                let why = format!(
                    "gunicorn closes idle connections after {kept} s, unannounced; Plimsoll closes them before."
                );
                let proposal = proposal.key(format!("keep_alive = {{ idle = \"{idle}s\" }}"), why);
                match is_fixed {
                    true => proposal.caution(
                        "gunicorn.conf.py has a fixed `bind`: let it be f\"127.0.0.1:{os.environ['PORT']}\"",
                    ),
                    false => proposal,
                }
            }
            false => {
                let command = format!(
                    "{program} {place} --bind 127.0.0.1:$PORT --workers 2 --threads 8 --keep-alive 65 --graceful-timeout 25"
                );
                let why =
                    "gunicorn with threads, which keep connections open for the next request.";
                Proposal::command(name, command, why).key("keep_alive = { idle = \"50s\" }", keep)
            }
        };
        self.placed(proposal.key("stop = { to = \"first\", timeout = \"30s\" }", stop), "gunicorn")
    }

    fn uvicorn(&self, name: &str, place: &Place) -> Proposal {
        let (program, place) = (self.program("uvicorn"), place.with("--app-dir"));
        let command = format!(
            "{program} {place} --host 127.0.0.1 --port $PORT --timeout-keep-alive 65 --timeout-graceful-shutdown 25"
        );
        let why = "Idle connections are kept longer than Plimsoll keeps them (50 s), so that Plimsoll closes first; \
                   after SIGTERM requests get 25 seconds.";
        let proposal = Proposal::command(name, command, why);
        let proposal = match self.has("uvicorn") || self.needs.contains("fastapi[") {
            true => proposal,
            false => proposal.caution("nothing names uvicorn: pip install uvicorn"),
        };
        self.placed(proposal, "uvicorn")
    }

    /// It, with what is to be known of where its program is.
    fn placed(&self, proposal: Proposal, program: &str) -> Proposal {
        match self.environment() {
            Some(_) => proposal,
            None => proposal.caution(format!(
                "`{program}` is looked for in PATH: with a virtual environment write .venv/bin/{program}"
            )),
        }
    }

    fn has(&self, library: &str) -> bool {
        let is_there = |dir: &str| self.folder.has(&format!("{dir}/bin/{library}"));
        self.needs.contains(library) || self.environment().is_some_and(is_there)
    }

    /// The virtual environment.
    fn environment(&self) -> Option<&'static str> {
        [".venv", "venv", "env"].into_iter().find(|dir| self.folder.has_dir(&format!("{dir}/bin")))
    }

    fn program(&self, name: &str) -> String {
        self.environment().map_or(name.to_owned(), |dir| format!("{dir}/bin/{name}"))
    }

    fn python(&self) -> String {
        self.environment().map_or("python3".to_owned(), |dir| format!("{dir}/bin/python"))
    }

    fn sources(&self) -> Vec<Source> {
        let mut dirs: Vec<String> =
            ["", "app", "src", "api", "app/routers", "app/api"].map(str::to_owned).into();
        dirs.extend(
            self.packages().into_iter().filter(|dir| !dirs.contains(dir)).collect::<Vec<_>>(),
        );
        let dirs: Vec<&str> = dirs.iter().map(String::as_str).collect();
        self.folder.sources(&dirs, &[".py"])
    }

    /// Directories that are packages, or hold an application: a project's own is mostly named as the project is.
    fn packages(&self) -> Vec<String> {
        let (here, below) = (self.folder.dirs(""), self.folder.dirs("src"));
        let below = below.into_iter().map(|dir| format!("src/{dir}"));
        let is_one = |dir: &String| {
            let is_other = dir.starts_with('.') || OTHERS.contains(&dir.as_str());
            let has = |name: &str| self.folder.has(&format!("{dir}/{name}"));
            !is_other && (has("__init__.py") || ENTRIES.into_iter().any(has))
        };
        here.into_iter().chain(below).filter(is_one).collect()
    }

    /// The file in which an application is made by one of these calls.
    fn application(&self, calls: &[&str]) -> Option<Application> {
        let sources = self.sources();
        let makes = |source: &&Source| calls.iter().any(|call| source.text.contains(call));
        let is_entry = |path: &str| ENTRIES.iter().position(|it| *it == path);
        let rank = |source: &&Source| {
            let name = source.path.rsplit('/').next().unwrap_or_default();
            let [here, below] = [&source.path, name].map(is_entry);
            (here.unwrap_or(ENTRIES.len()), below.unwrap_or(ENTRIES.len()))
        };
        let mut found: Vec<&Source> = sources.iter().filter(makes).collect();
        found.sort_by_key(rank);
        let source = found.first()?;
        Some(Application { path: source.path.clone(), text: source.text.clone() })
    }
}

/// A file in which an application is made.
struct Application {
    path: String,
    text: String,
}

impl Application {
    /// Where it is for a server.
    fn place(&self, calls: &[&str]) -> Place {
        let path = self.path.trim_end_matches(".py").trim_end_matches("/__init__");
        // Packages in src are imported without it; what lies in src itself is imported with it.
        let (base, path) = match path.strip_prefix("src/").filter(|_| self.path[4..].contains('/'))
        {
            Some(rest) => (Some("src"), rest),
            None => (None, path),
        };
        let module = path.replace('/', ".");
        let assigned = self.text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            let name = name.split(':').next().unwrap_or(name).trim_end();
            let is_name =
                !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
            let is_made = calls.iter().any(|call| value.trim_start().starts_with(call));
            (is_name && is_made).then(|| name.to_owned())
        });
        let name = match assigned {
            Some(name) => format!("{module}:{name}"),
            None if self.text.contains("def create_app(") => format!("{module}:create_app()"),
            None => format!("{module}:app"),
        };
        Place { base, name }
    }
}

/// Where an application is for a server.
struct Place {
    /// The directory in which modules are looked for, if not the one that the server runs in.
    base: Option<&'static str>,
    /// `module:name`, or the function that makes it.
    name: String,
}

impl Place {
    fn of_module(name: String) -> Self {
        Self { base: None, name }
    }

    /// As the words of a server whose option for the directory is `option`.
    fn with(&self, option: &str) -> String {
        match self.base {
            Some(base) => format!("{option} {base} {}", self.name),
            None => self.name.clone(),
        }
    }

    /// As flask's own program takes it: by a path where it is not in its own directory.
    fn for_flask(&self) -> String {
        let module = self.name.split(':').next().unwrap_or_default();
        match self.base {
            Some(base) => format!("{base}/{}", module.replace('.', "/")),
            None => module.to_owned(),
        }
    }
}

/// A source without what stands between three quotes: Django's own urls.py begins with examples there.
fn without_prose(text: &str) -> String {
    text.split("\"\"\"").step_by(2).collect()
}

/// The first text in quotes behind `word` and its own quotes.
fn quoted_after(text: &str, word: &str) -> Option<String> {
    let (_, rest) = text.split_once(word)?;
    let rest = rest.trim_start_matches(['"', '\'']);
    let start = rest.find(['"', '\''])?;
    let quote = rest[start..].chars().next()?;
    rest[start + 1..].split(quote).next().map(str::to_owned)
}
