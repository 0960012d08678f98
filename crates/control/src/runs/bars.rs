//! Which instances of a deploy get no requests though they serve: those that ejection or their checks keep from them.
//!
//! The judge takes the share of a release from it (decision 0079). Without it a release that gets everything, since all instances of
//! the other one are out, is condemned for what both would have failed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use edge::{Bar, Live};
use model::InstanceName;
use rollout::{Barred, Side};

use super::instance::Running;

/// Instances that serve, and that something kept from requests the last time.
#[derive(Debug, Default)]
pub(super) struct Bars(BTreeSet<InstanceName>);

impl Bars {
    /// Of the instances that serve those that are kept from requests, now or the last time.
    pub(super) fn look(
        &mut self,
        instances: &BTreeMap<InstanceName, Running>,
        sides: &BTreeMap<InstanceName, Side>,
    ) -> Barred {
        let is_barred = |running: &Running| {
            let bars = |live: &Arc<Live>| live.has(Bar::Ejected) || live.has(Bar::Unhealthy);
            running.lifecycle.serves() && running.live().is_some_and(bars)
        };
        let barred = instances.iter().filter(|(_, running)| is_barred(running));
        let barred: BTreeSet<InstanceName> = barred.map(|(name, _)| name.clone()).collect();
        let before = std::mem::replace(&mut self.0, barred);
        let is_meant = |name: &&InstanceName| {
            instances.get(*name).is_some_and(|running| running.lifecycle.serves())
        };
        let mut count = Barred::default();
        for name in self.0.union(&before).filter(is_meant) {
            match sides.get(name).copied().unwrap_or(Side::Stable) {
                Side::Canary => count.canary += 1,
                Side::Stable => count.stable += 1,
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use model::Deploy;
    use rollout::instance::Event;
    use testkit::TestEdge;

    use super::super::fixtures::{deploy_of, release};
    use super::super::instance::Lifecycle;
    use super::super::past::Recollection;
    use super::*;
    use crate::release::Release;

    fn serving(of: &Arc<Release>, live: &Arc<Live>) -> Running {
        let (mut lifecycle, _) = Lifecycle::start(Duration::ZERO, Default::default());
        lifecycle.step(Duration::ZERO, Event::Demand(rollout::instance::Demand::Serve));
        let mut running = Running::new(of.clone(), 1, lifecycle);
        running.observe(live);
        running
    }

    /// What control hands to the judge, block by block, while instances are ejected and come back.
    #[test]
    fn the_judge_of_a_deploy_is_told_which_instances_are_out() {
        let targets: [SocketAddr; 2] = ["127.0.0.1:1", "127.0.0.1:2"].map(|it| it.parse().unwrap());
        let edge = TestEdge::start(&targets);
        let [old, new] = targets.map(|target| edge.live(target));
        let mut active = deploy_of(&Deploy::default(), &old.name);
        active.sides.insert(new.name.clone(), Side::Canary);
        let mut instances = BTreeMap::from([
            (old.name.clone(), serving(&release(1), &old)),
            (new.name.clone(), serving(&active.canary, &new)),
        ]);
        let mut past = Recollection::default();
        let mut told = || active.sample(&edge.edge, &mut instances, None, &mut past).barred;
        let barred = |canary, stable| Barred { canary, stable };
        assert_eq!(told(), barred(0, 0));
        old.put(Bar::Ejected);
        assert_eq!(told(), barred(0, 1));
        new.put(Bar::Unhealthy);
        assert_eq!(told(), barred(1, 1));
        old.lift(Bar::Ejected);
        assert_eq!(told(), barred(1, 1), "it was out for a part of the block");
        // A drain is an order and not a failure: the split knows of it.
        old.put(Bar::Drained);
        assert_eq!(told(), barred(1, 0));
    }
}
