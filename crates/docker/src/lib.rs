//! Instances as containers: the driver that speaks the API of a Docker engine on this machine, or on another one that is
//! reached by a socket of this one (`driver::Remote`).
//!
//! It owes what every driver owes (`driver::driver`): nothing of a service runs before it is recorded, and what runs is found
//! again. A container is known by the engine's id of it and by the labels that are put on it, never by its name alone, and
//! what has no label of this state directory is never touched. Every call of the engine has a deadline; an engine that does
//! not answer costs no instance its life. What a container goes through is in `LIFECYCLE.md`.
//!
//! | to know | read |
//! | --- | --- |
//! | how the engine is asked, and how that fails | [`daemon`], [`EngineError`] |
//! | which image a name stands for, how it comes here, and which ones are ours to remove | `image`, `pulled` |
//! | what a container is made with | `body` |
//! | how it is watched, ended and found again | `supervisor`, `adopt`, `orphans` |
//! | where its output goes | `output` |

mod adopt;
mod apart;
mod body;
pub mod daemon;
mod docker_driver;
mod error;
mod examine;
mod held;
mod image;
mod instance;
mod labels;
mod login;
mod machine;
mod network;
mod orphans;
mod output;
mod preflight;
mod pulled;
mod state_id;
mod supervisor;

pub use daemon::Daemon;
pub use docker_driver::DockerDriver;
pub use error::{EngineError, ImageError, Known};
pub use preflight::Lack;
