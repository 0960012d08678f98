//! plimsoll.toml: from its text to a checked [`Intent`], or to everything that is wrong with it.
//!
//! Four steps, each in its own module, and the type changes with each: `syntax` makes a tree in
//! which every value knows its place; `assemble` joins the trees of files that are included and puts
//! variables and defaults in; `tables` walks it along the descriptions and
//! collects what is wrong instead of stopping at it; what is left without a fault is an [`Intent`].
//! The same descriptions make the JSON Schema and the reference, so neither can drift from what
//! the reader accepts.
//!
//! Nothing here opens a socket, reads a certificate's content or keeps anything between two calls.
//! The only look outside the text is [`Environment`], which is an argument.
//!
//! **Secrets.** No message ever quotes the value of a header, cookie or query parameter, and where
//! the name of one says that it is a secret (`authorization`, `x-api-key`, ...) its value is
//! starred out of the text that is kept for drawing. The value of a variable whose name says so is in no
//! message at all (`marks`). What cannot be hidden is a line so broken that
//! it has no names.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Intent;

mod assemble;
mod bare;
mod certificates;
mod diagnostic;
mod dialect;
mod environment;
mod faults;
mod format;
mod marks;
mod mistype;
mod node;
mod place;
mod places;
mod policy;
mod read;
mod render;
mod schema;
mod section;
mod sources;
mod syntax;
mod tables;
mod trail;
mod value;

pub use certificates::{NamedCertificate, NamedFiles, NamedUser};
pub use diagnostic::{Code, Diagnostic, Diagnostics, Related, Severity};
pub use environment::{Environment, Origin, SealedFault};
pub use format::{FormatError, format};
pub use place::Place;
pub use places::Places;
pub use render::Paint;
pub use schema::{reference, schema};
pub use tables::{judge_with, parse_step};
pub use value::duration::read as parse_duration;

/// The largest file that is read, in bytes: what is larger was named by mistake.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// A file that passed every check.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What is wanted.
    pub intent: Intent,
    /// What is allowed but hardly meant; may be empty, holds no error.
    pub warnings: Diagnostics,
}

/// Why a file gave no intent.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It could not be read at all.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is larger than any configuration.
    #[error("{} is larger than {} MiB", path.display(), FILE_BYTES_MAX >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The secrets beside it cannot be had.
    #[error(transparent)]
    Sealed(SealedFault),
    /// It was read, and is wrong.
    #[error("{} is not a valid configuration", .0.origin())]
    Invalid(Diagnostics),
}

/// A file that passed every check, and what it says once everything is put into it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The file as it is read: variables, files that are included and defaults are in it, and secrets
    /// are not.
    pub text: String,
    /// What it means.
    pub loaded: Loaded,
}

/// Reads and checks the file at `path`. Relative paths in it start at its directory.
///
/// # Errors
/// When the file cannot be read, or with everything that is wrong in it at once.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, LoadError> {
    let (text, origin) = read_file(path, environment)?;
    parse(&text, &origin).map_err(LoadError::Invalid)
}

/// Reads and checks the file at `path` like [`load`], and says what stands in it once variables, files
/// that are included and defaults are put in.
///
/// # Errors
/// Those of [`load`].
pub fn resolve(path: &Path, environment: &Environment) -> Result<Resolved, LoadError> {
    let (text, origin) = read_file(path, environment)?;
    let Parsed { intent, diagnostics, resolved, .. } =
        Parsed::new(&text, &origin, Wanted::Resolved);
    let loaded = loaded(intent, diagnostics).map_err(LoadError::Invalid)?;
    Ok(Resolved { text: resolved, loaded })
}

fn read_file(path: &Path, environment: &Environment) -> Result<(String, Origin), LoadError> {
    let unreadable = |source| LoadError::Read { path: path.to_owned(), source };
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    let secrets = Arc::new((environment.sealed)(path).map_err(LoadError::Sealed)?);
    let origin = Origin {
        name: path.display().to_string(),
        dir: absolute.parent().unwrap_or(Path::new("/")).to_owned(),
        environment: Environment { secrets, ..environment.clone() },
    };
    let mut bytes = Vec::new();
    let file = environment::open_named(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, origin)),
        Err(error) => Err(LoadError::Invalid(syntax::not_utf8(&error, &origin))),
    }
}

/// Checks `text`, which came from `origin`.
///
/// # Errors
/// With everything that is wrong at once, warnings included, in the order of the text.
pub fn parse(text: &str, origin: &Origin) -> Result<Loaded, Diagnostics> {
    let Parsed { intent, diagnostics, .. } = Parsed::new(text, origin, Wanted::Intent);
    loaded(intent, diagnostics)
}

fn loaded(intent: Option<Intent>, diagnostics: Diagnostics) -> Result<Loaded, Diagnostics> {
    match intent {
        Some(intent) if !diagnostics.has_errors() => Ok(Loaded { intent, warnings: diagnostics }),
        _ => Err(diagnostics),
    }
}

/// The certificates that the file at `path` names, whatever else is wrong in it; none where it cannot be
/// read at all.
pub fn certificates(path: &Path, environment: &Environment) -> Vec<NamedCertificate> {
    let Ok((text, origin)) = read_file(path, environment) else { return Vec::new() };
    Parsed::new(&text, &origin, Wanted::Certificates).certificates
}

/// Where the keys of the file at `path`, and of those that it includes, stand, whatever else is wrong in it; nothing
/// where it cannot be read at all.
pub fn places(path: &Path, environment: &Environment) -> Places {
    match read_file(path, environment) {
        Ok((text, origin)) => Parsed::new(&text, &origin, Wanted::Places).places,
        Err(_) => Places::default(),
    }
}

/// What is wanted of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Intent,
    /// Also the text as it is read.
    Resolved,
    /// Also the certificates that it names.
    Certificates,
    /// Also where its keys stand.
    Places,
}

/// What was made of a text.
struct Parsed {
    intent: Option<Intent>,
    diagnostics: Diagnostics,
    resolved: String,
    certificates: Vec<NamedCertificate>,
    places: Places,
}

impl Parsed {
    fn new(text: &str, origin: &Origin, wanted: Wanted) -> Self {
        let mut gathered = assemble::gather(text, origin);
        let parts = std::mem::take(&mut gathered.parts);
        let whole = gathered.whole.take();
        let sources = sources::Sources::new(whole.as_deref().unwrap_or(text), parts);
        let (faults, arena) = (faults::Faults::new(&sources), assemble::Arena::default());
        let lacks_a_file = gathered.lacks_a_file();
        gathered.tell(&faults);
        let assemble::Assembled { tree, mut mistakes } =
            assemble::assemble(&sources, &origin.environment, &arena, &faults);
        let intent = tables::intent(tree.get_ref(), origin, &faults);
        let (mut resolved, mut certificates) = (String::new(), Vec::new());
        let mut places = Places::default();
        match wanted {
            Wanted::Intent => {}
            Wanted::Resolved => resolved = assemble::resolved(tree.get_ref(), &faults),
            Wanted::Certificates => certificates = certificates::named(tree.get_ref(), &faults),
            Wanted::Places => places = places::of(tree.get_ref(), &faults),
        }
        mistakes.iter_mut().for_each(|mistakes| mistakes.tell(&faults));
        let is_broken = lacks_a_file || mistakes.iter().any(|mistakes| !mistakes.is_empty());
        let faults::Outcome { list, left_out, texts } = faults.finish(|file, fault| {
            let is_misled = is_broken && fault.code.is_about_absence();
            // Which files there are, the text does not say.
            (!is_misled || fault.key == assemble::INCLUDE) && mistakes[file].leave_standing(fault)
        });
        let diagnostics = Diagnostics { origin: origin.name.clone(), texts, list, left_out };
        Self { intent, diagnostics, resolved, certificates, places }
    }
}
