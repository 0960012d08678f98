//! The first checks of an instance: asked again and again until one passes, and why none does yet.
//!
//! Nobody is told twice of the same. That an instance is ready is never said of a stranger on its port.

use std::net::SocketAddr;
use std::time::Duration;

use driver::{Instance, Listening, PortOwner, Record};
use model::HealthProbe;
use tokio::time::Instant;

use crate::probe::{self, ProbeFault, ProbePlan};

/// From one look at a new instance to the next: short, as the deploy waits for it.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The same, where a program has to be run for it.
const COMMAND_EVERY: Duration = Duration::from_millis(500);
/// From one look at where it listens to the next, while nothing listens where it should: all processes of the
/// machine may have to be looked at for it.
const SEARCH_EVERY: Duration = Duration::from_millis(500);

/// An instance that listens elsewhere is told of so soon: some listen first where they are observed.
const ELSEWHERE_AFTER: Duration = Duration::from_secs(2);
/// One that is not ready for any other reason is told of then: many need some seconds.
const UNREADY_AFTER: Duration = Duration::from_secs(15);

/// What is told of an instance that is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Why a check failed, and not as the one before did.
    Changed(String),
    /// It is not ready for so long that a person wants to know: why.
    Lasting(String),
}

/// What an instance has to show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof {
    /// Where it is to listen, nobody else may.
    pub(super) listening: Listening,
    /// For so long on end every check has to pass.
    pub(super) healthy_for: Duration,
}

/// Asks the instance until it answers as a healthy one does, with this `proof`. `tell` is told why it does not, each time that this changes, and when it lasts.
pub(super) async fn until_ready(
    plan: &ProbePlan,
    process: &dyn Instance,
    proof: Proof,
    tell: impl Fn(Told),
) {
    let mut said = String::new();
    let mut patience = Patience { began: Instant::now(), told: Vec::new() };
    let mut search = Search { elsewhere: Vec::new(), looked_at: None };
    let mut healthy_since: Option<Instant> = None;
    loop {
        let asked_at = Instant::now();
        let mut cause = Cause::Other;
        let why = match probe::once(plan).await {
            Ok(_) if proof.listening == Listening::Nowhere || is_its_own(process).await => {
                let healthy_for = healthy_since.get_or_insert(asked_at).elapsed();
                if healthy_for >= proof.healthy_for {
                    return;
                }
                // As often as it is checked later on, and once more at the end.
                let pause = plan.check.interval.min(proof.healthy_for - healthy_for);
                tokio::time::sleep(pause.max(LOOK_EVERY)).await;
                continue;
            }
            Ok(_) => match process.listener().await {
                // A program, or its own word, may speak well of it before it listens.
                PortOwner::Nobody => {
                    let elsewhere = search.look(process).await;
                    if !elsewhere.is_empty() {
                        cause = Cause::Elsewhere;
                    }
                    unheard(plan.address, process, elsewhere)
                }
                _ => format!("another program responds on {}", plan.address),
            },
            // It says nothing of the instance, whose checks may have passed until now.
            Err(fault) if fault.is_ours() => {
                let why = format!("a check could not be made: {fault}");
                if said != why {
                    said.clone_from(&why);
                    tell(Told::Changed(why));
                }
                tokio::time::sleep(look_every(plan)).await;
                continue;
            }
            Err(fault) if is_unheard(&fault, process).await => {
                let elsewhere = search.look(process).await;
                if !elsewhere.is_empty() {
                    cause = Cause::Elsewhere;
                }
                refused(&fault, plan.address, process, elsewhere)
            }
            Err(fault) => fault.to_string(),
        };
        let why = match healthy_since.take() {
            Some(since) => {
                let passed = asked_at.saturating_duration_since(since).as_secs_f64();
                format!("{why}, after checks had passed for {passed:.1} s")
            }
            None => why,
        };
        if patience.ends(cause) {
            tell(Told::Lasting(why.clone()));
        }
        if said != why {
            said.clone_from(&why);
            tell(Told::Changed(why));
        }
        tokio::time::sleep(look_every(plan)).await;
    }
}

/// Why an instance is not ready, as far as it matters for how long that is taken for a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// It listens, and not where it is asked: no time mends that.
    Elsewhere,
    /// It may come yet.
    Other,
}

/// How long an instance is waited for before a person is told, once for each cause.
struct Patience {
    began: Instant,
    told: Vec<Cause>,
}

impl Patience {
    fn ends(&mut self, cause: Cause) -> bool {
        let limit = match cause {
            Cause::Elsewhere => ELSEWHERE_AFTER,
            Cause::Other => UNREADY_AFTER,
        };
        let is_over = self.began.elapsed() >= limit && !self.told.contains(&cause);
        if is_over {
            self.told.push(cause);
        }
        is_over
    }
}

/// From one look at a new instance to the next. To run a program costs more than to ask.
fn look_every(plan: &ProbePlan) -> Duration {
    match plan.check.probe {
        HealthProbe::Command(_) => plan.check.interval.min(COMMAND_EVERY),
        _ => LOOK_EVERY,
    }
}

/// Whether nothing of the instance listens where it is asked: nobody takes a connection, or somebody who would only pass it
/// on, as for the port of a container.
async fn is_unheard(fault: &ProbeFault, process: &dyn Instance) -> bool {
    let record = process.record();
    let is_passed_on = record.port_within() != record.address.port();
    match fault {
        ProbeFault::Connect(_) => true,
        _ => is_passed_on && process.listener().await == PortOwner::Nobody,
    }
}

/// Whether nobody else answers on its port. Where that cannot be seen it is believed.
async fn is_its_own(process: &dyn Instance) -> bool {
    matches!(process.listener().await, PortOwner::Own | PortOwner::Unknown)
}

/// Where an instance listens, looked for now and then.
struct Search {
    elsewhere: Vec<SocketAddr>,
    looked_at: Option<Instant>,
}

impl Search {
    async fn look(&mut self, process: &dyn Instance) -> &[SocketAddr] {
        if self.looked_at.is_none_or(|at| at.elapsed() >= SEARCH_EVERY) {
            self.elsewhere = process.listens().await;
            let asked = process.record().address;
            self.elsewhere.retain(|address| *address != asked);
            self.looked_at = Some(Instant::now());
        }
        &self.elsewhere
    }
}

/// Why nobody could be connected to, with what is known of where the instance listens instead.
fn refused(
    fault: &ProbeFault,
    asked: SocketAddr,
    process: &dyn Instance,
    elsewhere: &[SocketAddr],
) -> String {
    match instead(process.record(), elsewhere) {
        Some(instead) => format!("{fault} on {asked}; {instead}"),
        None => format!("{fault} on {asked}"),
    }
}

/// That nothing listens where it should yet, with what is known of where the instance listens instead.
fn unheard(asked: SocketAddr, process: &dyn Instance, elsewhere: &[SocketAddr]) -> String {
    match instead(process.record(), elsewhere) {
        Some(instead) => format!("nothing listens on {asked} yet; {instead}"),
        None => format!("nothing listens on {asked} yet"),
    }
}

/// Where an instance listens instead of where it should, and what to do about it.
fn instead(record: &Record, elsewhere: &[SocketAddr]) -> Option<String> {
    let (instance, port) = (&record.instance, record.port_within());
    let is_container = record.identity.container().is_some();
    Some(match where_else(port, elsewhere) {
        Elsewhere::Nowhere => return None,
        // What a container has for loopback is its own, and nobody outside reaches it.
        Elsewhere::OtherAddress(addresses) if is_container => {
            format!("{instance} listens on {addresses} within: let it listen on 0.0.0.0")
        }
        Elsewhere::OtherAddress(addresses) => format!(
            "{instance} listens on {addresses}: let it listen on {} or on 0.0.0.0",
            record.address.ip()
        ),
        Elsewhere::OtherPort(addresses) if is_container => format!(
            "{instance} listens on {addresses} within, not on its $PORT {port}: let `port` say the port on which it \
             listens, or let it read PORT"
        ),
        Elsewhere::OtherPort(addresses) => format!(
            "{instance} listens on {addresses}, not on its $PORT {port}: pass --port $PORT, or read PORT"
        ),
    })
}

/// Where an instance listens that does not where it is asked.
#[derive(Debug, PartialEq, Eq)]
enum Elsewhere {
    Nowhere,
    /// On its port, on another address: these.
    OtherAddress(String),
    /// On other ports: these.
    OtherPort(String),
}

fn where_else(port: u16, listens: &[SocketAddr]) -> Elsewhere {
    let is_its_port = |address: &&SocketAddr| address.port() == port;
    let on_port: Vec<_> = listens.iter().filter(is_its_port).map(written).collect();
    match (on_port.is_empty(), listens.is_empty()) {
        (_, true) => Elsewhere::Nowhere,
        (false, _) => Elsewhere::OtherAddress(on_port.join(" and ")),
        (true, _) => {
            let mut all: Vec<_> = listens.iter().map(written).collect();
            // For every address it may listen twice, by IPv4 and by IPv6.
            all.dedup();
            Elsewhere::OtherPort(all.join(" and "))
        }
    }
}

/// As people write it: `*` for every address.
fn written(address: &SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("*:{}", address.port()),
        false => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(addresses: &[&str]) -> Elsewhere {
        let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        where_else(28123, &addresses)
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_listens_elsewhere_is_told_of_sooner_than_one_that_is_slow_and_each_once() {
        let mut patience = Patience { began: Instant::now(), told: Vec::new() };
        let mut told = Vec::new();
        for second in 0..60 {
            for cause in [Cause::Other, Cause::Elsewhere] {
                if patience.ends(cause) {
                    told.push((second, cause));
                }
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(told, [(2, Cause::Elsewhere), (15, Cause::Other)]);
    }

    #[test]
    fn another_port_and_another_address_are_told_apart() {
        assert_eq!(listening(&[]), Elsewhere::Nowhere);
        let other_port = |text: &str| Elsewhere::OtherPort(text.to_owned());
        assert_eq!(listening(&["0.0.0.0:3999", "[::]:3999"]), other_port("*:3999"));
        assert_eq!(
            listening(&["127.0.0.1:80", "[::1]:81"]),
            other_port("127.0.0.1:80 and [::1]:81")
        );
        let other_address = |text: &str| Elsewhere::OtherAddress(text.to_owned());
        assert_eq!(listening(&["10.0.0.1:9", "[::1]:28123"]), other_address("[::1]:28123"));
    }
}
