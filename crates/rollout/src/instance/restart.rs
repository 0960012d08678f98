//! When an instance that ended is started again: pauses that grow, spread by chance, and the name
//! of a crash loop.
//!
//! Pure: time is a `Duration` since an origin that the caller chose, chance is an argument. It
//! never starts anything.
//!
//! The pause doubles with each short run, up to a bound, and half of it is left to chance ("equal
//! jitter", M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015): instances
//! that failed together do not come back together, and none comes back at once.

use std::time::Duration;

/// This many short runs in a row are a crash loop.
pub const CRASH_LOOP: u32 = 5;

/// This many times in a row a lost port is nobody's fault.
const PORT_LOSSES_MAX: u32 = 5;

/// How restarts are paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The pause after the first short run.
    pub backoff: Duration,
    /// No pause is longer.
    pub backoff_max: Duration,
    /// A run as long as this one was no failure: the pauses begin anew.
    pub stable: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            stable: Duration::from_secs(10),
        }
    }
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// By itself, in whichever way.
    Exit,
    /// Somebody took its port before it did: nobody's fault, see [`Port::Taken`](super::Port::Taken).
    PortTaken,
}

/// What follows an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Start again when this has passed.
    pub pause: Duration,
    /// What the instance is to be called meanwhile.
    pub state: RestartState,
}

/// What an instance that ended is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartState {
    /// It will be back.
    Restarting,
    /// It ends again and again. It is still started, ever more seldom.
    CrashLoop {
        /// Short runs in a row.
        runs: u32,
    },
}

/// One instance's restarts.
#[derive(Clone, Debug)]
pub struct Restarts {
    pace: Pace,
    started: Duration,
    short_runs: u32,
    port_losses: u32,
}

impl Restarts {
    /// An instance that starts at `now`.
    pub fn new(pace: Pace, now: Duration) -> Self {
        Self { pace, started: now, short_runs: 0, port_losses: 0 }
    }

    /// It was started again.
    pub fn started(&mut self, now: Duration) {
        self.started = now;
    }

    /// It ended. `chance` is uniform in 0..1.
    pub fn ended(&mut self, now: Duration, cause: Cause, chance: f64) -> Next {
        if now.saturating_sub(self.started) >= self.pace.stable {
            (self.short_runs, self.port_losses) = (0, 0);
        }
        if cause == Cause::PortTaken && self.port_losses < PORT_LOSSES_MAX {
            self.port_losses += 1;
            return Next { pause: Duration::ZERO, state: self.state() };
        }
        self.short_runs = self.short_runs.saturating_add(1);
        let next = Next { pause: self.pause(chance), state: self.state() };
        assert!(next.pause <= self.pace.backoff_max, "a pause is never over its bound");
        next
    }

    /// What it is to be called.
    pub fn state(&self) -> RestartState {
        match self.short_runs {
            runs if runs >= CRASH_LOOP => RestartState::CrashLoop { runs },
            _ => RestartState::Restarting,
        }
    }

    fn pause(&self, chance: f64) -> Duration {
        let doublings = self.short_runs.saturating_sub(1).min(31);
        let whole = self.pace.backoff.saturating_mul(1 << doublings).min(self.pace.backoff_max);
        let half = whole / 2;
        half + half.mul_f64(chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        backoff: Duration::from_millis(100),
        backoff_max: Duration::from_secs(30),
        stable: Duration::from_secs(10),
    };

    /// The pauses of an instance that lives for `run` each time.
    fn pauses(run: Duration, count: usize, chance: f64) -> Vec<Next> {
        let mut now = Duration::from_secs(1000);
        let mut restarts = Restarts::new(PACE, now);
        (0..count)
            .map(|_| {
                now += run;
                let next = restarts.ended(now, Cause::Exit, chance);
                now += next.pause;
                restarts.started(now);
                next
            })
            .collect()
    }

    #[test]
    fn pauses_double_up_to_their_bound() {
        let pauses = pauses(Duration::from_millis(5), 100, 1.0);
        let millis: Vec<_> = pauses.iter().take(4).map(|next| next.pause.as_millis()).collect();
        assert_eq!(millis, [100, 200, 400, 800]);
        assert_eq!(pauses[99].pause, PACE.backoff_max);
    }

    #[test]
    fn chance_spreads_the_upper_half_of_a_pause() {
        let first = |chance| pauses(Duration::ZERO, 1, chance)[0].pause.as_millis();
        assert_eq!([first(0.0), first(0.5), first(1.0)], [50, 75, 100]);
    }

    #[test]
    fn a_crash_loop_is_named_and_a_stable_run_ends_it() {
        let named = pauses(Duration::from_secs(1), 6, 0.5);
        let before = named.iter().take_while(|next| next.state == RestartState::Restarting).count();
        assert_eq!(before, CRASH_LOOP as usize - 1);
        assert_eq!(named[5].state, RestartState::CrashLoop { runs: 6 });

        let mut restarts = Restarts::new(PACE, Duration::ZERO);
        for _ in 0..9 {
            restarts.ended(Duration::ZERO, Cause::Exit, 0.5);
        }
        let next = restarts.ended(PACE.stable, Cause::Exit, 1.0);
        assert_eq!(next, Next { pause: PACE.backoff, state: RestartState::Restarting });
    }

    #[test]
    fn a_lost_port_is_no_crash_until_it_goes_on_and_on() {
        let mut restarts = Restarts::new(PACE, Duration::ZERO);
        for _ in 0..PORT_LOSSES_MAX {
            let next = restarts.ended(Duration::ZERO, Cause::PortTaken, 0.5);
            assert_eq!(next, Next { pause: Duration::ZERO, state: RestartState::Restarting });
        }
        assert!(restarts.ended(Duration::ZERO, Cause::PortTaken, 0.5).pause > Duration::ZERO);
    }
}
