//! What a pick costs: nanoseconds for each policy with 2, 16 and 256 instances.
//!
//! `cargo run --release -p balance --example pick_cost`. The field is a plain vector, so the figures
//! are those of the policies alone; a real field reads atomics that other cores write. The instances
//! are loaded unevenly and each pick loads its own, so that comparing and breaking ties both occur.
//! Of several rounds the best is printed, as whatever else runs on the machine only adds.
#![expect(clippy::disallowed_methods, reason = "it measures time, which the crate must not know")]
#![expect(clippy::print_stdout, reason = "its output")]

use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use balance::budget::RetryBudget;
use balance::latency::PeakEwma;
use balance::{AttemptKind, Eligibility, Field, Key, Member, Picker, Role};
use model::{Balance, Hash, HashAlgorithm, HashKey, InstanceName};

const SIZES: [usize; 3] = [2, 16, 256];
const ROUNDS: usize = 7;

#[derive(Clone, Debug)]
struct Instance {
    eligibility: Eligibility,
    in_flight: u32,
    latency: f64,
}

struct Instances(Vec<Instance>, Cell<u64>);

impl Field for Instances {
    #[inline]
    fn eligibility(&self, instance: usize) -> Eligibility {
        self.0[instance].eligibility
    }

    #[inline]
    fn in_flight(&self, instance: usize) -> u32 {
        self.0[instance].in_flight
    }

    #[inline]
    fn turn(&self, _: AttemptKind) -> u64 {
        self.1.replace(self.1.get() + 1)
    }

    #[inline]
    fn latency(&self, instance: usize) -> f64 {
        self.0[instance].latency
    }
}

/// A small generator (xorshift), so that entropy costs what it costs in earnest.
struct Entropy(u64);

impl Entropy {
    #[inline]
    fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn hash(algorithm: HashAlgorithm, load_bound: Option<f64>) -> Balance {
    Balance::Hash(Hash { key: HashKey::Path, algorithm, load_bound })
}

/// Nanoseconds of one call of `work`, the best of several rounds.
fn nanoseconds(calls: u32, mut work: impl FnMut()) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            (0..calls).for_each(|_| work());
            begin.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
        })
        .fold(f64::INFINITY, f64::min)
}

fn pick_cost(balance: &Balance, size: usize, weights: fn(usize) -> u32) -> f64 {
    let members: Vec<Member> = (0..size)
        .map(|index| {
            let name = InstanceName::from(format!("10.0.0.{index}:8080"));
            Member::named(&name, weights(index), Role::Primary)
        })
        .collect();
    let instance = |index: usize| Instance {
        eligibility: Eligibility::Healthy,
        in_flight: (index * 7 % 3) as u32,
        latency: 0.010 + index as f64 * 1e-5,
    };
    let mut instances = Instances((0..size).map(instance).collect(), Cell::new(0));
    let mut picker = Picker::new(balance, &members);
    let mut entropy = Entropy(0x9e37_79b9_7f4a_7c15);
    // What is in flight ends in the order of its beginning, two for each instance at a time.
    let mut open = std::collections::VecDeque::from(vec![None; 2 * size]);
    nanoseconds(1_000_000 / size as u32, || {
        let key = Key::from_hash(entropy.draw());
        let picked = picker.pick(black_box(&instances), Some(key), &[], &mut || entropy.draw());
        let picked = picked.expect("all are healthy");
        instances.0[picked].in_flight += 1;
        open.push_back(Some(picked));
        if let Some(Some(ended)) = open.pop_front() {
            instances.0[ended].in_flight -= 1;
        }
    })
}

fn main() {
    let policies = [
        ("least_conn", Balance::LeastConn),
        ("round_robin", Balance::RoundRobin),
        ("random", Balance::Random),
        ("p2c", Balance::P2c),
        ("peak_ewma", Balance::PeakEwma),
        ("rendezvous", hash(HashAlgorithm::Rendezvous, None)),
        ("rendezvous bounded", hash(HashAlgorithm::Rendezvous, Some(1.25))),
        ("ring", hash(HashAlgorithm::Ring, None)),
        ("ring bounded", hash(HashAlgorithm::Ring, Some(1.25))),
    ];
    println!("ns per pick, equal weights | weights 1 to 5");
    print!("{:<20}", "instances");
    [SIZES, SIZES].iter().flatten().for_each(|size| print!("{size:>9}"));
    println!();
    for (name, balance) in &policies {
        print!("{name:<20}");
        for weights in [|_| 1, |index| index as u32 % 5 + 1] as [fn(usize) -> u32; 2] {
            for size in SIZES {
                print!("{:>9.1}", pick_cost(balance, size, weights));
            }
        }
        println!();
    }
    println!();
    let mut budget = RetryBudget::new(0.2);
    let mut now = Duration::from_secs(1);
    let deposit = nanoseconds(1_000_000, || {
        now += Duration::from_micros(10);
        black_box(&mut budget).deposit(black_box(now));
    });
    let mut latency = PeakEwma::default();
    let observe = nanoseconds(1_000_000, || {
        now += Duration::from_micros(10);
        black_box(&mut latency).observe(black_box(now), Duration::from_millis(7));
    });
    let value = nanoseconds(1_000_000, || {
        now += Duration::from_micros(10);
        black_box(black_box(&latency).value(now));
    });
    let key = nanoseconds(1_000_000, || {
        black_box(Key::of_bytes(black_box(b"user-4711-session-0815")));
    });
    println!("RetryBudget::deposit  {deposit:>6.1}");
    println!("PeakEwma::observe     {observe:>6.1}");
    println!("PeakEwma::value       {value:>6.1}");
    println!("Key::of_bytes (22 B)  {key:>6.1}");
}
