//! From targets to instances: what a service's targets are once their names are resolved.
//!
//! An instance is named by its target as it was written and, where that is a DNS name, by the
//! address it stands for: `app.internal:8080/10.0.0.7`. So a name depends on nothing but its own
//! target and address: an address that comes or goes changes no other instance's name, and with
//! it neither its record, nor its clients' cookies, nor its place among hashed keys.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use edge::Instance;
use model::{Host, InstanceName, Intent, Service, ServiceName, Target};

use crate::drains::{DrainList, SEPARATOR};

/// The addresses of each name.
pub(crate) type Addresses = BTreeMap<String, BTreeSet<IpAddr>>;

/// The instances of every service of `intent`, in the order of the targets; names that are not in
/// `addresses` have none. Those in `drains` get nothing from the first moment on.
pub(crate) fn of_intent(
    intent: &Intent,
    addresses: &Addresses,
    drains: &DrainList,
) -> BTreeMap<ServiceName, Vec<Instance>> {
    let of_service = |service: &Service| {
        let instances = service.targets.iter().flat_map(|target| of_target(target, addresses));
        let marked = instances.map(|mut instance| {
            let since = drains.since(service.name.as_str(), instance.name.as_str());
            instance.is_drained = since.is_some();
            instance
        });
        marked.collect()
    };
    intent.services.iter().map(|(name, service)| (name.clone(), of_service(service))).collect()
}

/// Every DNS name that `intent` has a target at.
pub(crate) fn names(intent: &Intent) -> BTreeSet<String> {
    intent.services.values().flat_map(|service| names_of(service)).map(str::to_owned).collect()
}

/// Every DNS name that `service` has a target at.
pub(crate) fn names_of(service: &Service) -> impl Iterator<Item = &str> {
    service.targets.iter().filter_map(|target| match &target.host {
        Host::Name(name) => Some(name.as_str()),
        Host::Address(_) => None,
    })
}

fn of_target(target: &Target, addresses: &Addresses) -> Vec<Instance> {
    let instance = |name: InstanceName, address: IpAddr| Instance {
        name,
        address: SocketAddr::new(address, target.port),
        host: target.host.clone(),
        release: None,
        weight: target.weight,
        backup: target.backup,
        is_drained: false,
    };
    match &target.host {
        Host::Address(address) => vec![instance(target.name.clone(), *address)],
        Host::Name(name) => {
            let found = addresses.get(name).into_iter().flatten();
            found.map(|address| instance(named(&target.name, *address), *address)).collect()
        }
    }
}

fn named(target: &InstanceName, address: IpAddr) -> InstanceName {
    format!("{target}{SEPARATOR}{address}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(text: &str) -> Intent {
        let origin = config::Origin {
            name: "test".into(),
            dir: "/".into(),
            environment: config::Environment::fixed(),
        };
        config::parse(text, &origin).unwrap().intent
    }

    fn shown(intent: &Intent, addresses: &Addresses) -> Vec<String> {
        let all = of_intent(
            intent,
            addresses,
            &DrainList::load("/nonexistent".as_ref(), Default::default()),
        );
        let show = |instance: &Instance| format!("{} at {}", instance.name, instance.address);
        all["api"].iter().map(show).collect()
    }

    const TEXT: &str = r#"
        listeners.web.bind = "127.0.0.1:0"
        services.api.targets = ["10.0.0.1:80", "app.internal:8080"]
        routes = [{ to = "api" }]
    "#;

    #[test]
    fn an_address_is_one_instance_and_a_name_one_for_each_address() {
        let intent = intent(TEXT);
        assert_eq!(names(&intent), BTreeSet::from(["app.internal".to_owned()]));
        let ten = ["10.0.0.9".parse().unwrap(), "fd00::1".parse().unwrap()];
        let addresses = Addresses::from([("app.internal".into(), ten.into())]);
        assert_eq!(
            shown(&intent, &addresses),
            [
                "10.0.0.1:80 at 10.0.0.1:80",
                "app.internal:8080/10.0.0.9 at 10.0.0.9:8080",
                "app.internal:8080/fd00::1 at [fd00::1]:8080",
            ]
        );
        assert_eq!(shown(&intent, &Addresses::default()), ["10.0.0.1:80 at 10.0.0.1:80"]);
    }

    #[test]
    fn an_instance_tells_its_target() {
        assert_eq!(
            crate::drains::target_of(&"app.internal:8080/fd00::1".into()),
            "app.internal:8080"
        );
        assert_eq!(crate::drains::target_of(&"[::1]:80".into()), "[::1]:80");
    }
}
