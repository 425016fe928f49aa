//! What must hold for anything that clients and runtimes send on streams. How to run it is [`knarr_fuzz`]'s.

mod inputs;
mod targets;

use std::process::ExitCode;

use knarr_fuzz::{Suite, Target};

const TARGETS: &[Target] = &[
    Target { name: "frames", fresh: inputs::spdy, run: targets::frames },
    Target { name: "headers", fresh: inputs::packed, run: targets::headers },
    Target { name: "block", fresh: inputs::block, run: targets::block },
    Target { name: "spdy", fresh: inputs::spdy, run: targets::spdy },
    Target { name: "websocket", fresh: inputs::websocket, run: targets::websocket },
    Target { name: "tunnel", fresh: inputs::tunnel, run: targets::tunnel },
    Target { name: "answer", fresh: inputs::answer, run: targets::answer },
];

fn main() -> ExitCode {
    // Nothing a peer says may cost more than the bounds of its buffers.
    knarr_fuzz::main(&Suite { targets: TARGETS, mutate: inputs::mutate, memory: 64 << 10 })
}
