//! What a deploy was judged by, kept so that it can be judged again by other rules.
//!
//! Bounded in memory and on the disk, however long a deploy takes: with more blocks than fit, neighbours become one; of
//! recorded attempts that did not fail every second is dropped, so that what is left is still a uniform sample.
//! Nothing of a client is in it but a number that is made with a key of this process.

mod document;
mod keeping;

use std::time::Duration;

use rollout::{Block, Moment, Past, Serving, Why};

pub(crate) use keeping::Keeping;

/// So many blocks are kept: over an hour of them as they come.
const BLOCKS_MAX: usize = 16_384;
/// So many attempts that failed are kept: more tell nothing more.
const FAILED_MAX: usize = 4096;
/// Of attempts that did not fail so many are kept.
const SAMPLED_MAX: usize = 16_384;

/// What a deploy was judged by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evidence {
    /// The rules that it had.
    pub(crate) rule: model::Judge,
    /// What the old release did before.
    pub(crate) past: Past,
    /// All that happened, in order.
    pub(crate) moments: Vec<Moment>,
    failed: usize,
    sampled: usize,
    /// One of so many attempts that did not fail is kept.
    stride: usize,
    /// How many came since the last that was.
    passed_over: usize,
}

impl Evidence {
    /// None yet, of a deploy that is judged by `rule` beside what the old release did before.
    pub(crate) fn new(rule: model::Judge, past: Past) -> Self {
        Self { rule, past, moments: Vec::new(), failed: 0, sampled: 0, stride: 1, passed_over: 0 }
    }

    /// Takes up a block that ended `at`, in the machine's time.
    pub(crate) fn add(&mut self, at: Duration, serving: Serving, block: &Block) {
        let says_nothing = block.counts.is_empty()
            && block.latencies.is_empty()
            && block.observed.is_empty()
            && block.routes.is_empty()
            && block.lost == 0;
        let is_known = self
            .moments
            .last()
            .is_some_and(|last| last.block.share == block.share && last.serving == serving);
        if says_nothing && is_known {
            return;
        }
        let mut block = block.clone();
        block.observed.retain(|attempt| match attempt.why {
            Why::Failed => {
                self.failed += 1;
                self.failed <= FAILED_MAX
            }
            Why::Sampled => {
                self.passed_over += 1;
                let is_kept = self.passed_over >= self.stride;
                if is_kept {
                    (self.passed_over, self.sampled) = (0, self.sampled + 1);
                }
                is_kept
            }
        });
        self.moments.push(Moment { at, serving, block });
        if self.moments.len() > BLOCKS_MAX {
            self.join_neighbours();
        }
        if self.sampled > SAMPLED_MAX {
            self.thin_out();
        }
    }

    fn join_neighbours(&mut self) {
        let mut moments = std::mem::take(&mut self.moments).into_iter().peekable();
        while let Some(mut moment) = moments.next() {
            let is_alike = |next: &Moment| next.serving == moment.serving;
            if let Some(next) = moments.next_if(is_alike) {
                moment.at = next.at;
                moment.block.append(next.block);
            }
            self.moments.push(moment);
        }
    }

    fn thin_out(&mut self) {
        let mut is_kept = false;
        let mut sampled = 0;
        for moment in &mut self.moments {
            moment.block.observed.retain(|attempt| match attempt.why {
                Why::Failed => true,
                Why::Sampled => {
                    is_kept = !is_kept;
                    sampled += usize::from(is_kept);
                    is_kept
                }
            });
        }
        (self.sampled, self.stride) = (sampled, self.stride * 2);
    }
}

#[cfg(test)]
mod tests {
    use rollout::{Assignment, Client, Count, Fate, Fates, Observed, Old, Place, Side};

    use super::*;

    const SERVING: Serving = Serving { canary: 1, stable: 1, coming: 0, old: Old::There };

    fn place() -> Place {
        let (instance, side) = ("api-3".into(), Side::Canary);
        Place { route: None, instance, side, assignment: Assignment::Drawn }
    }

    fn attempt(number: usize, why: Why) -> Observed {
        let fate = if why == Why::Failed { Fate::Failed } else { Fate::Ok };
        Observed {
            at: Duration::from_millis(number as u64),
            place: place(),
            client: Client(number as u64),
            fate,
            status: Some(200),
            latency: Duration::from_micros(1500),
            request_id: number.to_string().into(),
            why,
        }
    }

    fn block(ok: u64, observed: Vec<Observed>) -> Block {
        let counts = vec![Count { place: place(), fates: Fates { ok, ..Fates::default() } }];
        Block { share: Some(0.1), counts, observed, ..Block::default() }
    }

    #[test]
    fn however_many_blocks_come_what_they_counted_is_kept() {
        let mut evidence = Evidence::new(model::Judge::default(), Past::default());
        let all = BLOCKS_MAX * 3;
        for number in 0..all {
            evidence.add(
                Duration::from_millis(250 * number as u64),
                SERVING,
                &block(1, Vec::new()),
            );
        }
        assert!(evidence.moments.len() <= BLOCKS_MAX, "{}", evidence.moments.len());
        let kept = evidence.moments.iter().flat_map(|moment| &moment.block.counts);
        assert_eq!(kept.map(|count| count.fates.ok).sum::<u64>(), all as u64);
        assert_eq!(
            evidence.moments.last().unwrap().at,
            Duration::from_millis(250 * (all as u64 - 1))
        );
        assert!(evidence.moments.is_sorted_by_key(|moment| moment.at));
    }

    #[test]
    fn attempts_are_thinned_out_evenly_and_failures_first_of_all_kept() {
        let mut evidence = Evidence::new(model::Judge::default(), Past::default());
        for number in 0..SAMPLED_MAX * 4 {
            let attempts = vec![attempt(number, Why::Sampled), attempt(number, Why::Failed)];
            evidence.add(Duration::from_millis(number as u64), SERVING, &block(2, attempts));
        }
        let observed = || evidence.moments.iter().flat_map(|moment| &moment.block.observed);
        let of = |why: Why| observed().filter(|attempt| attempt.why == why).collect::<Vec<_>>();
        assert_eq!(of(Why::Failed).len(), FAILED_MAX);
        let sampled = of(Why::Sampled);
        assert!(
            sampled.len() <= SAMPLED_MAX && sampled.len() > SAMPLED_MAX / 4,
            "{}",
            sampled.len()
        );
        let late = sampled.iter().filter(|it| it.client.0 as usize >= SAMPLED_MAX * 2).count();
        let share = late as f64 / sampled.len() as f64;
        assert!((0.4..0.6).contains(&share), "the second half has {share} of the sample");
    }

    #[test]
    fn a_span_in_which_nothing_came_takes_no_room() {
        let mut evidence = Evidence::new(model::Judge::default(), Past::default());
        let empty = |share| Block { share, ..Block::default() };
        for share in [Some(0.1), Some(0.1), Some(0.5), Some(0.5), None] {
            evidence.add(Duration::from_secs(1), SERVING, &empty(share));
        }
        let shares: Vec<_> = evidence.moments.iter().map(|moment| moment.block.share).collect();
        assert_eq!(shares, [Some(0.1), Some(0.5), None]);
    }
}
