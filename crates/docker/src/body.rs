//! What a container is made with: the recipe in the engine's words.

use std::net::SocketAddr;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, Mount, MountType,
    NetworkingConfig, PortBinding,
};
use driver::command::{self, Facts};
use driver::{ContainerStart, Launch, LaunchError, Listening};
use model::{Access, HookMoment, Resources, Volume, VolumeSource};

use crate::error::EngineError;
use crate::labels;

/// So much of the output the engine keeps itself, in files of so many bytes: ours has the whole.
const ENGINE_LOG: [(&str, &str); 2] = [("max-size", "16m"), ("max-file", "2")];

/// Where a container is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// By this address and port of the engine's machine.
    Published(SocketAddr),
    /// By its own address on its network.
    Own,
    /// By nobody of ours: it is not asked for anything.
    Nowhere,
}

/// What marks a container.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks<'a> {
    /// The state directory's name.
    pub(crate) state: &'a str,
    /// This start.
    pub(crate) run: &'a str,
}

/// What the container of `launch` is made with.
pub(crate) fn body(
    launch: &Launch,
    start: &ContainerStart,
    marks: Marks<'_>,
    reach: Reach,
) -> Result<ContainerCreateBody, LaunchError> {
    let facts = Facts {
        port: start.port,
        version: &launch.version,
        instance: launch.instance.as_str(),
        service: launch.service.as_str(),
    };
    let command = start.command.as_ref().map(|command| command::words(command, facts));
    let port = format!("{}/tcp", start.port);
    Ok(ContainerCreateBody {
        image: Some(start.image.clone()),
        cmd: command.transpose()?,
        user: start.user.as_ref().map(ToString::to_string),
        env: Some(environment(start, Given { facts, run: marks.run, reach })?),
        labels: Some(labels::of(launch, marks.state, marks.run)),
        exposed_ports: (reach != Reach::Nowhere).then(|| vec![port.clone()]),
        networking_config: networking(launch, start),
        stop_signal: Some(launch.upkeep.stop.signal.name().to_owned()),
        stop_timeout: i64::try_from(launch.upkeep.stop.timeout.as_secs()).ok(),
        host_config: Some(host_config(start, &port, reach)),
        ..ContainerCreateBody::default()
    })
}

/// What a container is given beside its recipe.
#[derive(Clone, Copy, Debug)]
struct Given<'a> {
    facts: Facts<'a>,
    run: &'a str,
    reach: Reach,
}

fn environment(start: &ContainerStart, given: Given<'_>) -> Result<Vec<String>, EngineError> {
    let mut environment = start.environment.clone().with(given.facts, given.run);
    if given.reach == Reach::Nowhere {
        environment.unset("PORT");
    }
    let lines = environment.pairs().map(|(name, value)| {
        let no_text = || EngineError::Variable(name.to_string_lossy().into_owned());
        let (name_text, value) = (name.to_str().ok_or_else(no_text)?, value.to_str());
        Ok(format!("{name_text}={}", value.ok_or_else(no_text)?))
    });
    lines.collect()
}

fn host_config(start: &ContainerStart, port: &str, reach: Reach) -> HostConfig {
    let Resources { memory, cpu_millis, pids } = start.resources;
    let memory = memory.and_then(|bytes| i64::try_from(bytes).ok());
    let bindings = match reach {
        Reach::Published(published) => {
            let binding = PortBinding {
                host_ip: Some(published.ip().to_string()),
                host_port: Some(published.port().to_string()),
            };
            Some([(port.to_owned(), Some(vec![binding]))].into())
        }
        Reach::Own | Reach::Nowhere => None,
    };
    HostConfig {
        memory,
        // As much: then nothing of it is swapped out.
        memory_swap: memory,
        nano_cpus: cpu_millis.map(|millis| i64::from(millis) * 1_000_000),
        pids_limit: pids.map(i64::from),
        mounts: Some(start.volumes.iter().map(mount).collect()),
        network_mode: start.network.clone(),
        port_bindings: bindings,
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(ENGINE_LOG.map(|(name, value)| (name.into(), value.into())).into()),
        }),
        ..HostConfig::default()
    }
}

/// A worker on a network is found there under its service's name, as a database is by what asks it. What serves requests is not:
/// it would get some before its checks have passed, and past Plimsoll. Nor is a hook, which nobody asks.
fn networking(launch: &Launch, start: &ContainerStart) -> Option<NetworkingConfig> {
    let network = start.network.clone()?;
    let is_hook = HookMoment::of(&launch.service, &launch.instance).is_some();
    if launch.upkeep.listening == Listening::OnPort || is_hook {
        return None;
    }
    let aliases = Some(vec![launch.service.to_string()]);
    let endpoint = EndpointSettings { aliases, ..EndpointSettings::default() };
    Some(NetworkingConfig { endpoints_config: Some([(network, endpoint)].into()) })
}

fn mount(volume: &Volume) -> Mount {
    let (typ, source) = match &volume.source {
        VolumeSource::Named(name) => (MountType::VOLUME, name.clone()),
        VolumeSource::Path(path) => (MountType::BIND, path.display().to_string()),
    };
    Mount {
        target: Some(volume.target.clone()),
        source: Some(source),
        typ: Some(typ),
        read_only: Some(volume.access == Access::Read),
        ..Mount::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use driver::{Composed, Environment, Upkeep};
    use model::{Command, Stop, StopSignal, StopTo};

    use super::*;

    fn start() -> ContainerStart {
        ContainerStart {
            placement: Default::default(),
            image: "r.io/shop@sha256:x".into(),
            login: None,
            command: None,
            engine: "unix:///x".into(),
            port: 8080,
            environment: [("GREETING", "hello")].into_iter().collect::<Environment>(),
            user: Some("1000:1000".parse().unwrap()),
            volumes: vec![
                Volume {
                    source: VolumeSource::Named("uploads".into()),
                    target: "/data".into(),
                    access: Access::Write,
                },
                Volume {
                    source: VolumeSource::Path("/srv/assets".into()),
                    target: "/assets".into(),
                    access: Access::Read,
                },
            ],
            network: None,
            resources: Resources { memory: Some(1 << 29), cpu_millis: Some(1500), pids: Some(200) },
        }
    }

    fn made(start: &ContainerStart, reach: Reach) -> ContainerCreateBody {
        named(start, reach, "shop-3")
    }

    fn named(start: &ContainerStart, reach: Reach, instance: &str) -> ContainerCreateBody {
        let signal = StopSignal::Quit;
        let stop = Stop { signal, timeout: Duration::from_secs(7), to: StopTo::All };
        let listening = match reach {
            Reach::Nowhere => Listening::Nowhere,
            Reach::Published(_) | Reach::Own => Listening::OnPort,
        };
        let launch = Launch {
            service: "shop".into(),
            instance: instance.into(),
            version: "1.4".into(),
            composed: Composed::Container(Box::new(start.clone())),
            upkeep: Upkeep { stop, listening, ..Upkeep::default() },
        };
        body(&launch, start, Marks { state: "s", run: "r" }, reach).unwrap()
    }

    #[test]
    fn a_container_is_made_as_the_recipe_says() {
        let body = made(&start(), Reach::Published("127.0.0.1:23456".parse().unwrap()));
        let mut env = body.env.unwrap();
        env.sort();
        let expected = [
            "GREETING=hello",
            "INSTANCE=shop-3",
            "PLIMSOLL_RUN=r",
            "PORT=8080",
            "SERVICE=shop",
            "VERSION=1.4",
        ];
        assert_eq!(env, expected);
        assert_eq!(body.user.as_deref(), Some("1000:1000"));
        assert_eq!((body.stop_signal.as_deref(), body.stop_timeout), (Some("SIGQUIT"), Some(7)));
        let labels = body.labels.unwrap();
        assert_eq!(
            (labels["plimsoll.state"].as_str(), labels["plimsoll.run"].as_str()),
            ("s", "r")
        );
        let host = body.host_config.unwrap();
        assert_eq!((host.memory, host.memory_swap), (Some(1 << 29), Some(1 << 29)));
        assert_eq!((host.nano_cpus, host.pids_limit), (Some(1_500_000_000), Some(200)));
        let binding = &host.port_bindings.unwrap()["8080/tcp"].clone().unwrap()[0];
        assert_eq!(binding.host_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!(binding.host_port.as_deref(), Some("23456"));
        let mounts = host.mounts.unwrap();
        assert_eq!((mounts[0].typ, mounts[0].read_only), (Some(MountType::VOLUME), Some(false)));
        assert_eq!((mounts[1].typ, mounts[1].read_only), (Some(MountType::BIND), Some(true)));
    }

    #[test]
    fn a_worker_has_no_port_and_is_found_on_its_network_by_its_name() {
        let command = Some(Command::Line("work --as $INSTANCE {version}".into()));
        let start = ContainerStart { network: Some("backend".into()), command, ..start() };
        let body = made(&start, Reach::Nowhere);
        assert_eq!(body.cmd.unwrap(), ["work", "--as", "shop-3", "1.4"]);
        assert_eq!((body.exposed_ports, body.host_config.unwrap().port_bindings), (None, None));
        assert!(body.env.unwrap().iter().all(|line| !line.starts_with("PORT=")));
        let networks = body.networking_config.unwrap().endpoints_config.unwrap();
        assert_eq!(networks["backend"].aliases, Some(vec!["shop".to_owned()]));
        let hook = named(&start, Reach::Nowhere, "shop-before-4");
        assert_eq!(
            (hook.networking_config, made(&start, Reach::Own).networking_config),
            (None, None)
        );
    }

    #[test]
    fn on_a_network_nothing_is_published() {
        let start = ContainerStart { network: Some("backend".into()), ..start() };
        let host = made(&start, Reach::Own).host_config.unwrap();
        assert_eq!((host.network_mode.as_deref(), host.port_bindings), (Some("backend"), None));
    }
}
