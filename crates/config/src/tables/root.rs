//! The file as a whole: its tables, and how they become an intent.

use model::Intent;
use toml::de::DeTable;

use crate::environment::Origin;
use crate::faults::Faults;
use crate::read::Context;
use crate::read::sticky;
use crate::schema::{Later, Table};
use crate::section::Section;

use super::{
    abuse, acme, admin, auth, defaults, include, job, limit, listener, log, registries, route,
    server, service, store,
};

pub(crate) static ROOT: Table = Table {
    header: "",
    noun: "the file",
    doc: "",
    keys: &[
        include::KEY,
        server::KEY,
        admin::KEY,
        log::KEY,
        store::KEY,
        defaults::KEY,
        defaults::POLICIES_KEY,
        listener::KEY,
        acme::KEY,
        service::KEY,
        job::KEY,
        registries::KEY,
        auth::KEY,
        limit::KEY,
        abuse::KEY,
        route::KEY,
    ],
    later: &[Later { name: "cache", what: "caching" }],
};

/// Makes an intent of `tree`. `None` only if a fault was added; where one was added, what is
/// given must not be used.
pub(crate) fn intent(tree: &DeTable<'_>, origin: &Origin, faults: &Faults<'_>) -> Option<Intent> {
    let root = Section::root(tree, faults);
    let mut context = Context::new(origin, faults);
    include::check(&root);
    defaults::check(&root);
    let server = server::read(&root, origin);
    let log = root.section("log", |log| log::read(log, origin));
    let store = store::read(&root, origin);
    let mut listeners = listener::read(&root, &mut context);
    // Before the admin API, which a service may well lead to.
    let services = service::read(&root, &mut context);
    let jobs = job::read(&root, &services, &context);
    let registries = registries::read(&root);
    let mut admin = root.section("admin", |admin| admin::read(admin, &mut context));
    let auth = auth::read(&root, &mut context);
    let limits = limit::read(&root, &mut context);
    let abuse = abuse::read(&root, &mut context);
    let routes = route::read(&root, &mut context);
    let acme::Orders { acme, internal } = acme::read(
        &root,
        origin,
        faults,
        &context.acme,
        acme::Orderers { listeners: &mut listeners, admin: &mut admin },
        routes.as_deref().unwrap_or_default(),
    );
    if !faults.has_errors() {
        service::warn_of_unused(&root, &context);
        auth::warn_of_unused(&root, &context);
        limit::warn_of_unused(&root, &context);
        abuse::warn_of_unused(&root, &context);
        defaults::warn_of_unused(&root);
        if acme.is_some() {
            store::warn_of_unshared(&root, store.as_ref());
        }
        sticky::warn(&root, &services, routes.as_deref().unwrap_or_default());
    }
    let (server, routes) = (server?, routes?);
    Some(Intent {
        server,
        admin,
        log,
        store,
        acme,
        internal,
        listeners,
        services,
        jobs,
        registries,
        auth,
        limits,
        abuse,
        routes,
        secrets: origin.environment.secrets.clone(),
    })
}
