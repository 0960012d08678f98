//! `plimsoll demo`: shows in seconds what the program is for.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::demo::{self, Stage, Wanted};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::Form;
use crate::quantity::duration;
use crate::signals::Signals;

/// See it work: deploy a good release, detect and roll back a bad one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Starts two instances of a sample server and the load balancer in front of them, and sends requests
at a steady rate. Then deploys a good release, and one that fails every fifth request as a canary.
It needs no root, no network, no file and no well-known port, and leaves nothing behind.

Exits with 0 when the good release is promoted, the bad one rolled back, and no other request
failed.")]
pub(crate) struct Options {
    /// Requests a second
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5000))]
    rate: u32,
    /// How long each release is watched at a time
    #[arg(long, value_name = "DURATION", default_value = "4s", value_parser = duration)]
    scene: Duration,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|source| Failure::System { what: "start a runtime", source })?;
    let rate = NonZeroU32::new(options.rate).unwrap_or(NonZeroU32::MIN);
    let wanted = Wanted { rate, scene: options.scene };
    let stage = Stage::new(&options.form);
    let ended = runtime.block_on(async {
        let signals = Signals::listen();
        let mut signals =
            signals.map_err(|source| Failure::System { what: "listen to signals", source })?;
        tokio::select! {
            ended = demo::play(wanted, stage) => ended,
            () = signals.end() => Ok(false),
        }
    });
    runtime.shutdown_background();
    Ok(if ended? { Exit::Done } else { Exit::Failed })
}
