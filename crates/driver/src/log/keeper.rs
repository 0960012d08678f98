//! Keeps one log while its instance writes: it is noted when what was written, and what is old moves to archives.

use std::path::PathBuf;
use std::time::Duration;

use model::InstanceName;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::rotate::{RotateError, rotate};
use super::times;
use crate::launch::Rotation;

/// How often a log's size is looked at.
const LOOK_AT_LOG: Duration = Duration::from_secs(1);

/// Keeps one log, one step at a time, on a thread where that is no harm.
#[derive(Debug)]
pub struct Keeper {
    instance: InstanceName,
    log: PathBuf,
    rotation: Rotation,
    ticks: Interval,
    running: Option<JoinHandle<Result<usize, RotateError>>>,
    has_failed: bool,
}

impl Keeper {
    /// Keeps the log of `instance`.
    pub fn new(instance: InstanceName, log: PathBuf, rotation: Rotation) -> Self {
        let mut ticks = interval(LOOK_AT_LOG);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { instance, log, rotation, ticks, running: None, has_failed: false }
    }

    /// Waits until there is something to do, and does a step of it. Cancelled, it goes on next
    /// time.
    pub async fn keep(&mut self) {
        match &mut self.running {
            Some(running) => {
                let done = running.await;
                self.running = None;
                if let Ok(Err(error)) = done {
                    self.tell(&error);
                }
            }
            None => {
                self.ticks.tick().await;
                self.start();
            }
        }
    }

    fn start(&mut self) {
        let (instance, log) = (self.instance.clone(), self.log.clone());
        let rotation = self.rotation;
        self.running = Some(spawn_blocking(move || {
            if let Err(error) = times::note(&log) {
                tracing::debug!(%instance, %error, "cannot save the times of log lines");
            }
            rotate(&log, rotation)
        }));
    }

    /// Does it a last time.
    pub async fn finish(&mut self) {
        // One that runs may have looked before the last words.
        if self.running.is_some() {
            self.keep().await;
        }
        self.start();
        self.keep().await;
    }

    /// Said once: it would be said every second otherwise.
    fn tell(&mut self, error: &RotateError) {
        if !std::mem::replace(&mut self.has_failed, true) {
            let source = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(instance = %self.instance, %error, source, "cannot rotate the log");
        }
    }
}
