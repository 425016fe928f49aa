//! What must hold for any bytes that reach the codecs, patches and tables of the built-in types.
//!
//! Inputs to start from are written ones, and objects grown from those tables. To join, a decoder adds a line to
//! [`TARGETS`]. How to run it is [`knarr_fuzz`]'s.

mod codecs;
mod grow;
mod hooks;
mod kinds;
mod mutate;
mod ownership;
mod patches;
mod words;

use std::process::ExitCode;

use knarr_fuzz::{Suite, Target};

const TARGETS: &[Target] = &[
    Target { name: "json", fresh: codecs::json_seed, run: codecs::json_round_trip },
    Target { name: "yaml", fresh: codecs::yaml_seed, run: codecs::yaml_round_trip },
    Target { name: "proto", fresh: codecs::proto_seed, run: codecs::proto_round_trip },
    Target { name: "envelope", fresh: codecs::envelope_seed, run: codecs::envelope },
    Target { name: "normalise", fresh: codecs::object_seed, run: codecs::canonical_form },
    Target { name: "json-patch", fresh: patches::json_seed, run: patches::json },
    Target { name: "merge-patch", fresh: patches::pair_seed, run: patches::merge },
    Target { name: "strategic", fresh: patches::pair_seed, run: patches::strategic },
    Target { name: "apply", fresh: ownership::story_seed, run: ownership::story },
    Target { name: "fields", fresh: ownership::sets_seed, run: ownership::sets },
    Target { name: "hooks", fresh: codecs::object_seed, run: hooks::write },
    Target { name: "selector", fresh: words::selector_seed, run: words::selector },
    Target { name: "quantity", fresh: words::quantity_seed, run: words::amount },
    Target { name: "time", fresh: words::time_seed, run: words::moment },
];

fn main() -> ExitCode {
    knarr_fuzz::main(&Suite { targets: TARGETS, mutate: mutate::mutate, memory: 256 << 10 })
}
