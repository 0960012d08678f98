//! `resources` of a service: what a container may take.

use model::Resources;

use crate::read::narrow;
use crate::schema::{Absent, Key, Shape, Table};
use crate::section::Section;

/// The engine takes no less.
const MEMORY_MIN: u64 = 6 << 20;

pub(crate) const KEY: Key = Key::new(
    "resources",
    Shape::Table(&RESOURCES),
    Absent::Means("no bounds"),
    "{ memory = \"512MiB\", cpu = 1.0, pids = 200 }",
    "What a container may take.",
)
.aka(&["limits", "deploy_resources", "limit"])
.needs(&["image"]);

pub(crate) static RESOURCES: Table = Table {
    header: "[services.NAME.resources]",
    noun: "the bounds of a container",
    doc: "What a container may take.",
    keys: &[
        Key::new(
            "memory",
            Shape::Size(MEMORY_MIN..=1 << 50),
            Absent::Means("as much as there is"),
            "\"512MiB\"",
            "Its memory, none of which is swapped out. A container that takes more is killed, which is told, and started again.",
        )
        .aka(&["mem", "mem_limit", "memory_limit"]),
        Key::new(
            "cpu",
            Shape::Number(0.01..=1024.0),
            Absent::Means("as much as there is"),
            "1.5",
            "How many processors\' time it gets.",
        )
        .aka(&["cpus", "cpu_limit", "processors"]),
        Key::new(
            "pids",
            Shape::Count(1..=4_194_304),
            Absent::Means("as many as the engine allows"),
            "200",
            "How many processes and threads it may have.",
        )
        .aka(&["pids_limit", "processes", "threads"]),
    ],
    later: &[],
};

pub(crate) fn read(section: &Section<'_>) -> Resources {
    let cpu = section.node("cpu").and_then(|node| node.number());
    // Between a hundredth of one and a thousand of them.
    let cpu_millis = cpu.map(|cpu| (cpu * 1000.0).round() as u32);
    let pids = section.node("pids").and_then(|node| node.count()).and_then(narrow::<u32>);
    Resources { memory: section.node("memory").and_then(|node| node.size()), cpu_millis, pids }
}
